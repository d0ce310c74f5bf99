#!/bin/sh
# Unpack programs that only the tests and the benchmark use (age, restic, pgbouncer, sshd, promtool) from Debian's
# packages into .cache/tools without installing them. Where that cannot be done the tests of those programs are skipped.
set -u

project=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
tools=$project/.cache/tools
work=$tools/work

missing() {
    for name in age age-keygen restic pgbouncer sshd promtool; do
        PATH=$PATH:/usr/sbin:$tools/bin command -v "$name" >/dev/null || return 0
    done
    return 1
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

download() {
    apt -o APT::Sandbox::User= download "$1" >/dev/null 2>&1 && return
    if [ ! -e "$work/lists/updated" ]; then
        apt_with_fresh_lists update >/dev/null 2>&1 || return
        touch "$work/lists/updated"
    fi
    apt_with_fresh_lists download "$1" >/dev/null 2>&1
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

mkdir -p "$tools/bin" "$work"
if missing && command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    cd "$work" || exit 1
    # What openssh-server needs beside libwrap0 comes with the client, without which nobody can use it.
    for package in age restic pgbouncer libc-ares2 libevent-2.1-7 libevent-2.1-7t64 openssh-server libwrap0 \
        prometheus; do
        download "$package"
    done
    for archive in *.deb; do
        [ -e "$archive" ] && dpkg -x "$archive" "$tools/root"
    done
    libraries=$(echo "$tools"/root/usr/lib/*-linux-gnu*)
    for program in "$tools"/root/usr/bin/* "$tools"/root/usr/sbin/*; do
        [ -x "$program" ] && provide "$program"
    done
fi
rm -rf "$work"
for name in age restic pgbouncer sshd promtool; do
    PATH=$PATH:/usr/sbin:$tools/bin command -v "$name" >/dev/null || echo "$name cannot be had here: its tests are skipped"
done
exit 0
