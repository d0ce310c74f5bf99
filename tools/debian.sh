#!/bin/sh
# Unpack programs that only the tests and the benchmark use from Debian's packages into .cache/tools without installing
# them. Where that cannot be done the tests of those programs are skipped.
set -u

programs='age age-keygen restic pgbouncer sshd sudo promtool tmux
ceph-mon ceph-osd radosgw radosgw-admin monmaptool osdmaptool'
# What openssh-server needs beside libwrap0 comes with the client, without which nobody can use it. Of the libraries that
# Ceph needs these are the ones that a plain system may lack.
packages='age postgresql-15-cron restic pgbouncer libc-ares2 libevent-2.1-7 libevent-2.1-7t64 openssh-server libwrap0 sudo
prometheus tmux libutempter0 libevent-core-2.1-7 libevent-core-2.1-7t64
ceph-mon ceph-osd ceph-base ceph-common radosgw librados2 libfmt9 libleveldb1d liboath0 librabbitmq4 liblua5.3-0
libibverbs1 librdmacm1 libnl-3-200 libnl-route-3-200 libsnappy1v5 libaio1 libfuse2 libboost-context1.74.0
libboost-thread1.74.0 libboost-iostreams1.74.0 libboost-program-options1.74.0 libdaxctl1 libndctl6 libpmem1
libgoogle-perftools4 libtcmalloc-minimal4'

project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$project/.cache/tools
work=$tools/work

missing() {
    for name in $programs; do
        PATH=$PATH:/usr/sbin:$tools/bin command -v "$name" >/dev/null || return 0
    done
    [ ! -e "$tools/root/usr/lib/postgresql/15/lib/pg_cron.so" ]
}

apt() {
    apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

# Lists of our own, so that nothing of the system is changed and no privilege is needed.
apt_with_fresh_lists() {
    mkdir -p "$work/lists/partial" "$work/archives/partial"
    apt -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" -o APT::Sandbox::User= \
        -o APT::Update::Post-Invoke= -o APT::Update::Post-Invoke-Success= "$@"
}

# In one go, as each call reads all lists anew: those of the packages that this release of Debian has.
download() {
    known=$("$1" pkgnames | grep -x -F "$(printf '%s\n' $packages)") && [ -n "$known" ] || return
    # shellcheck disable=SC2086
    "$2" download $known >/dev/null 2>&1
}

cache() {
    apt-cache "$@"
}

cache_of_fresh_lists() {
    apt-cache -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work" "$@"
}

apt_as_it_is() {
    apt -o APT::Sandbox::User= "$@"
}

# A program whose libraries came with it is started through a script that says where they are.
provide() {
    path=$1
    name=${path##*/}
    printf '#!/bin/sh\nexport LD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"\nexec "%s" "$@"\n' \
        "$libraries" "$path" >"$tools/bin/$name"
    chmod +x "$tools/bin/$name"
    for question in --version version -V; do
        "$tools/bin/$name" "$question" >/dev/null 2>&1 && return
    done
    rm "$tools/bin/$name"
}

# sudo's own files have to be where its package would put them: each call has them there, for itself alone.
provide_sudo() {
    cat >"$tools/bin/sudo" <<EOF
#!/bin/sh
exec unshare --mount sh -ec '
for place in /etc /usr/libexec; do
    mount -t overlay overlay -o "lowerdir=$tools/root\$place:\$place" "\$place"
done
exec "$tools/root/usr/bin/sudo" "\$@"' sh "\$@"
EOF
    chmod +x "$tools/bin/sudo"
    "$tools/bin/sudo" -n true >/dev/null 2>&1 || rm "$tools/bin/sudo"
}

mkdir -p "$tools/bin" "$work"
if missing && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    cd "$work" || exit 1
    if ! download cache apt_as_it_is && apt_with_fresh_lists update >/dev/null 2>&1; then
        download cache_of_fresh_lists apt_with_fresh_lists
    fi
    for archive in *.deb; do
        [ -e "$archive" ] && dpkg -x "$archive" "$tools/root"
    done
    libraries=$(for place in "$tools"/root/usr/lib/*-linux-gnu* "$tools"/root/lib/*-linux-gnu*; do
        [ -d "$place" ] && printf '%s:%s/ceph:' "$place" "$place"
    done)
    libraries=${libraries%:}
    for name in $programs; do
        for program in "$tools/root/usr/bin/$name" "$tools/root/usr/sbin/$name"; do
            [ -x "$program" ] && [ "$name" != sudo ] && provide "$program"
        done
    done
    [ -x "$tools/root/usr/bin/sudo" ] && provide_sudo
fi
rm -rf "$work"
for name in $programs; do
    PATH=$PATH:/usr/sbin:$tools/bin command -v "$name" >/dev/null || echo "$name cannot be had here: its tests are skipped"
done
[ -e "$tools/root/usr/lib/postgresql/15/lib/pg_cron.so" ] || echo "pg_cron cannot be had here: its tests are skipped"
exit 0
