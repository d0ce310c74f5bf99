#!/bin/sh
# What execution-environment.yml describes, in a bare Debian root instead of an image, for a machine without an engine:
#   sudo tools/bare_environment.sh DIRECTORY
# makes the root in DIRECTORY with debootstrap, its own copy where none is installed, and does the steps of the Containerfile
# there: what the system needs (bindep.txt), Ansible, ansible-runner, what the collection needs,
# the collection itself. Then the weekly backup of a database of its own runs as a user without a name, a home or a
# terminal, from a project that it cannot write to. It takes some minutes and 1 GB, and nothing outside is changed.
set -eu
# Mounts of its own, which go with it: containers have these, too.
[ -n "${MOUNTS:-}" ] || MOUNTS=own exec unshare --mount "$0" "$@"
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
user=54321
suite=${SUITE:-bookworm}

inside() {
    chroot "$root" env -i PATH=/opt/run/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
}

debootstrap=$(command -v debootstrap) || {
    mkdir -p "$root.debootstrap"
    debootstrap=$root.debootstrap/usr/sbin/debootstrap
    [ -e "$debootstrap" ] || (cd "$root.debootstrap" && apt-get -qq -o APT::Sandbox::User= download debootstrap &&
        dpkg-deb -x debootstrap_*.deb .)
    export DEBOOTSTRAP_DIR="$root.debootstrap/usr/share/debootstrap"
}
[ -e "$root/usr/bin/python3" ] || "$debootstrap" --variant=minbase \
    --include=python3,python3-venv,ca-certificates,git "$suite" "$root" "${MIRROR:-http://deb.debian.org/debian}"
mkdir -p "$root/dev/shm"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for place in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
    if [ -e "$place" ]; then cp "$place" "$root$place"; fi
done

# The system's packages, of which a line of bindep.txt is for rpm, for dpkg, or for both.
packages=$(sed -e '/^#/d' -e '/platform:rpm/d' -e 's/ .*//' "$here/bindep.txt")
inside DEBIAN_FRONTEND=noninteractive apt-get -q update
# The server is the database that is backed up here; an image has none.
# shellcheck disable=SC2086
inside DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $packages postgresql

inside python3 -m venv /opt/run
inside pip -q install 'ansible-core~=2.19.4' 'ansible-runner~=2.4'
rm -rf "$root/tmp/collection" && mkdir -p "$root/tmp/collection"
git -C "$here" archive HEAD | tar -x -C "$root/tmp/collection"
inside pip -q install -r /tmp/collection/requirements.txt
inside sh -c 'cd /tmp && ansible-galaxy collection build --force collection &&
    ansible-galaxy collection install --offline --force -p /usr/share/ansible/collections mobul-backup-*.tar.gz'
inside sh -c 'pg_dump --version && rclone version | head -1 && age --version'

major=$(ls "$root/usr/lib/postgresql")
bin=/usr/lib/postgresql/$major/bin
inside su postgres -c "rm -rf /tmp/data && $bin/initdb -D /tmp/data -A trust >/dev/null &&
    $bin/pg_ctl -D /tmp/data -w -o '-p 54399 -k /tmp -h 127.0.0.1' start >/dev/null &&
    psql -qh /tmp -p 54399 -c 'CREATE TABLE t AS SELECT generate_series(1, 100)'"
trap 'inside su postgres -c "$bin/pg_ctl -D /tmp/data -m fast stop"' EXIT

# The project is root's, and read-only; the sets are the user's.
rm -rf "$root/project" "$root/sets" "$root/tmp/ansible"
install -d -m 0555 "$root/project"
install -d -m 0700 -o $user -g 0 "$root/sets"
recipient=$(inside sh -c 'age-keygen 2>/dev/null | sed -n "s/.*public key: //p"')
printf -- '---\n- name: Run the procedure\n  ansible.builtin.import_playbook: mobul.backup.weekly\n' >"$root/project/weekly.yml"
cat >"$root/project/hosts.yml" <<HOSTS
databases:
  hosts:
    shop:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
      backup_environment: test
      backup_login_host: 127.0.0.1
      backup_login_port: 54399
      backup_login_user: postgres
      backup_login_db: postgres
      backup_ssl_mode: disable
      backup_recipients: [$recipient]
      backup_locations: [{name: local, type: local, path: /sets}]
HOSTS
chmod 0444 "$root/project/"*
setsid chroot --userspec=$user:0 "$root" env -i PATH=/opt/run/bin:/usr/bin:/bin LANG=C.UTF-8 \
    ANSIBLE_HOME=/tmp/ansible ANSIBLE_LOCAL_TEMP=/tmp/ansible/tmp ANSIBLE_REMOTE_TMP=/tmp/ansible/remote \
    sh -c 'cd /project && ansible-playbook -i hosts.yml weekly.yml' </dev/null
find "$root/sets" -name manifest.json | grep -q . && echo "The weekly backup has made its set."
