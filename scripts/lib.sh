# shellcheck shell=bash
# What the scripts share: functions that install or unpack packages, print
# messages, and run the unit tests, the fuzz corpus and clang-tidy.  To be
# sourced, not run.

# Runs a command as root, with sudo if necessary.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

say() {
	printf '%s\n' "$*" >&2
}

apt_is_fresh=

# Updates the package lists; only once in a run.
apt_update() {
	[ -z "$apt_is_fresh" ] || return 0
	as_root apt-get -qq update
	apt_is_fresh=yes
}

# Installs packages without starting their services.
apt_install() {
	local policy=/usr/sbin/policy-rc.d ours='' status=0

	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
		ours=yes
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
	    -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" \
	    >&2 </dev/null || status=$?
	[ -z "$ours" ] || as_root rm -f "$policy"
	return "$status"
}

# need PACKAGE...: installs the packages that are missing.
need() {
	local package missing=()

	for package; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" \
		    2>/dev/null || true) in
		installed*) ;;
		*) missing+=("$package") ;;
		esac
	done
	[ "${#missing[@]}" -gt 0 ] || return 0
	say "installing ${missing[*]}"
	apt_update && apt_install "${missing[@]}"
}

# Does this release have the package?
is_available() {
	[ -n "$(apt-cache show "$1" 2>/dev/null)" ]
}

# need_available PACKAGE...: the same as need, without those that this release
# does not have.
need_available() {
	local package

	for package; do
		! is_available "$package" || need "$package"
	done
}

# fetch_deb DIR PACKAGE...: unpacks packages below DIR without installing them,
# once.  It is for FTP servers: Debian's cannot be installed together, and a
# test should not install one.  DIR/.have-PACKAGE then has the dependencies of
# the package.
fetch_deb() {
	local dir package work

	mkdir -p "$1"
	dir=$(realpath "$1")
	shift
	for package; do
		[ ! -s "$dir/.have-$package" ] || continue
		say "unpacking $package"
		apt_update || return 1
		work=$(mktemp -d "$dir/.fetch.XXXXXX")
		# Not as the user _apt, which may not write here.
		(cd "$work" && apt-get -qq -o APT::Sandbox::User=root \
		    download "$package" >&2 && dpkg -x ./*.deb "$dir" &&
		    dpkg -f ./*.deb Depends >"$dir/.have-$package") ||
		    { rm -rf "$work"; return 1; }
		rm -rf "$work"
	done
}

# need_libraries DIR PACKAGE...: installs the libraries on which the unpacked
# packages depend.
need_libraries() {
	local dir=$1 package libraries=()

	shift
	for package; do
		mapfile -t -O "${#libraries[@]}" libraries < <(
		    tr , '\n' <"$dir/.have-$package" |
		    sed -n 's/^ *\(lib[^ |(:]*\).*/\1/p')
	done
	need "${libraries[@]}"
}

# make_root DIR [SUITE]: installs a minimal Debian in DIR, once: SUITE, by
# default the release of this host, from the mirror of this host.
make_root() {
	local dir=$1 suite=${2:-} release mirror scripts script

	[ ! -d "$dir" ] || return 0
	# shellcheck source=/dev/null
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# shellcheck disable=SC2016  # apt's variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
	    'Created-By: Packages' "Codename: $release" 'Label: Debian' |
	    head -n 1)
	# For a release that this debootstrap does not know, sid's script is
	# used.
	scripts=/usr/share/debootstrap/scripts script=${suite:-$release}
	[ -e "$scripts/$script" ] || script=sid
	as_root rm -rf --one-file-system "$dir.new"
	# The mounts of debootstrap end with it, however it ends.
	as_root unshare --mount --propagation private \
	    debootstrap --variant=minbase "${suite:-$release}" "$dir.new" \
	    "${mirror:-http://deb.debian.org/debian}" "$scripts/$script" ||
	    return 1
	as_root mv "$dir.new" "$dir"
}

# What enter_root runs; $1 is the root.  It is mounted on itself, because
# namespaces that are made in it need a mount.  /tmp and /run are empty.
# shellcheck disable=SC2016  # of that shell
in_root='
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
cat /etc/resolv.conf >"$root/etc/resolv.conf"
cat /etc/hosts >"$root/etc/hosts"
exec chroot "$root" env -i HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
'

# enter_root DIR COMMAND...: runs a command in such a root, as root.  Other
# processes do not see its mounts; these, and all its processes, end with the
# command.
enter_root() {
	local dir

	dir=$(realpath "$1")
	shift
	as_root unshare --mount --propagation private --pid --fork \
	    --kill-child sh -euc "$in_root" sh "$dir" "$@"
}

# Prints the files of this tree that are known to git, or, without git, all but
# what was built; each is followed by a NUL.
list_files() {
	if [ -e .git ]; then
		# Even if the tree belongs to another user.
		git -c safe.directory="$PWD" ls-files -z
	else
		find . -path './build*' -prune -o -type f -print0
	fi
}

# put_tree ROOT: copies these files into a root, as /culvert.  The build
# directories there stay, and files that have not changed keep their times.
put_tree() {
	local root

	root=$(realpath "$1")
	as_root rm -rf --one-file-system "$root/culvert.new"
	as_root mkdir "$root/culvert.new"
	list_files | tar -c --null -T - | as_root tar -xm -C "$root/culvert.new"
	# shellcheck disable=SC2016  # of that shell
	as_root bash -euc '
	    cd "$1"
	    [ -d culvert ] || mkdir culvert
	    (cd culvert.new && find . -type f -print0) |
	        while IFS= read -r -d "" file; do
		    ! cmp -s "culvert/$file" "culvert.new/$file" ||
			touch -r "culvert/$file" "culvert.new/$file"
		done
	    for built in culvert/build*; do
		    [ ! -d "$built" ] || mv "$built" culvert.new
	    done
	    rm -rf --one-file-system culvert
	    mv culvert.new culvert
	' bash "$root"
}

# Installs the libraries and tools that the build needs.
need_build() {
	need build-essential meson ninja-build pkg-config libuv1-dev \
	    libmnl-dev libseccomp-dev libjansson-dev \
	    libcrypt-dev libmicrohttpd-dev libncurses-dev nettle-dev openssh-client
}

# fetch_available DIR PACKAGE...: unpacks packages there (fetch_deb), and installs
# their libraries.  For a package that this release does not have, makes
# DIR/.lacks-PACKAGE; its tests are then skipped.
fetch_available() {
	local dir=$1 package packages=()

	mkdir -p "$dir"
	shift
	for package; do
		if [ ! -s "$dir/.have-$package" ]; then
			apt_update || return 1
			if ! is_available "$package"; then
				say "this release has no $package"
				touch "$dir/.lacks-$package"
				continue
			fi
		fi
		rm -f "$dir/.lacks-$package"
		packages+=("$package")
	done
	fetch_deb "$dir" "${packages[@]}" && need_libraries "$dir" "${packages[@]}"
}

# need_servers DIR: unpacks the FTP servers and SFTP servers there, or installs
# them.
need_servers() {
	need python3 python3-pyftpdlib netbase openssh-sftp-server
	need_available rclone
	fetch_available "$1" vsftpd proftpd-core pure-ftpd pure-ftpd-common \
	    inetutils-ftpd gesftpserver proftpd-mod-crypto
}

# Installs what the tests need, except SSH servers other than OpenSSH's.
need_tests() {
	need libcmocka-dev python3 python3-pytest python3-pytest-xdist \
	    python3-pytest-timeout iproute2 nftables openssl openssh-server \
	    util-linux tcpdump systemd git \
	    logrotate tmux curl lftp tnftp inetutils-ftp ncftp wget \
	    dante-client proxychains4 torsocks tsocks python3-socks \
	    busybox perl php-cli default-jdk-headless
	# Tests without their program are skipped: Debian 12 has no curlftpfs.
	need_available curlftpfs wput libcommons-net-java
	need_servers build/debs || return 1
	# From Debian 13 on, promtool is in a package of its own.
	fetch_deb build/debs prometheus || return 1
	[ -e build/debs/usr/bin/promtool ] || fetch_deb build/debs promtool ||
	    return 1
	# It cannot be installed beside busybox.
	[ -e build/debs/.have-busybox-static ] ||
	    fetch_deb build/debs busybox-static
}

# build_go PROGRAM SOURCE PACKAGE: builds a static program in Go, once; PACKAGE
# is the Debian package of the library that it uses.
build_go() {
	local cache

	[ ! -e "$1" ] || return 0
	need golang-go "$3"
	cache=$(realpath "$(dirname "$1")")/go-cache
	GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 \
	    GOCACHE="$cache" go build -o "$1" "$2" || return 1
	rm -rf "$cache"
}

# need_ssh_servers DIR: installs the SSH servers other than OpenSSH's, and what
# they need; and FTP clients that are no Debian packages.  Programs in Go are
# built in DIR, npm packages are installed there; once.
need_ssh_servers() {
	local dir programs=tests/integration

	need dropbear-bin python3-asyncssh python3-paramiko
	mkdir -p "$1"
	dir=$(realpath "$1")
	build_go "$dir/gliderlabs" $programs/ssh_programs/gliderlabs.go \
	    golang-github-gliderlabs-ssh-dev || return 1
	build_go "$dir/go-ftp" $programs/client_programs/ftp.go \
	    golang-github-jlaffaye-ftp-dev || return 1
	if [ ! -e "$dir/node_modules/basic-ftp" ]; then
		command -v npm >/dev/null || need npm
		# Without its optional parts, which would have to be compiled.
		npm --prefix "$dir" install --silent --no-audit --no-fund \
		    --ignore-scripts --omit=optional ssh2@1.17.0 \
		    basic-ftp@5.0.5 >&2
	fi
}

# unit DIR [COMMAND...]: runs the programs of unit tests of a build, as many at
# the same time as there are cores, and prints their outputs one after the
# other.  COMMAND is put in front of each program; $UNIT_SECONDS is the time-out
# of each.
unit() {
	local dir=$1 program rc status=0 said programs=()

	shift
	for program in "$dir"/tests/unit/test_*; do
		[ -f "$program" ] && programs+=("$program") # *.p are directories
	done
	[ "${#programs[@]}" -gt 0 ] || return 1
	said=$(mktemp -d)
	# ASan would keep cmocka from reporting a crash.
	# shellcheck disable=SC2016  # expanded by that shell
	printf '%s\0' "${programs[@]}" |
	    ASAN_OPTIONS=handle_segv=2 VECTORS=$PWD/tests/vectors \
	    xargs -0 -n 1 -P "$(nproc)" bash -c '
		name=${*: -1}
		timeout "${UNIT_SECONDS:-300}" "$@" >"$0/${name##*/}" 2>&1 ||
		    echo "$? ${name##*/}" >>"$0/failed"
	    ' "$said" "$@" || status=1
	for program in "${programs[@]}"; do
		echo "--- $program"
		cat "$said/${program##*/}"
	done
	# Those that failed are shown again at the end.
	while read -r rc program; do
		status=1
		echo "--- $dir/tests/unit/$program failed, exit status $rc:"
		tail -n 40 "$said/$program"
	done < <(cat "$said/failed" 2>/dev/null)
	rm -r "$said"
	return "$status"
}

# replay_corpus DIR: runs the fuzz targets of a build over their corpus.
replay_corpus() {
	local program name status=0 count=0

	for program in "$1"/tests/fuzz/replay_*; do
		[ -f "$program" ] || continue	# *.p are directories
		count=$((count + 1))
		name=${program##*/replay_}
		timeout 300 "$program" "tests/fuzz/corpus/$name" || status=1
	done
	[ "$count" -gt 0 ] && return "$status"
}

# tidy DIR [OPTION...]: runs clang-tidy on the sources, as they are compiled in
# DIR.  Leaves out of its output the commands, and the number of warnings in
# system headers.
tidy() {
	run-clang-tidy -quiet -p "$1" -j "$(nproc)" "${@:2}" "^$PWD/src/.*" 2>&1 |
	    sed -E '/^clang-tidy|^[0-9]+ warnings? generated|^$/d'
	return "${PIPESTATUS[0]}"
}

# run_one_stage NAME RESULT: runs stage_NAME, and writes a line for the table to
# the file RESULT.  Returns the status of the stage.
run_one_stage() {
	local began=$SECONDS status result=passed

	# Not in a condition, because set -e has no effect there.
	set +e
	(set -e; "stage_$1")
	status=$?
	[ "$status" -eq 0 ] || result=FAILED
	printf '%-20s %s %5d s\n' "$1" "$result" "$((SECONDS - began))" >"$2"
	return "$status"
}

# run_stages NAME...: runs each stage_NAME, even if one before it has failed,
# prints a table, and exits, with status 1 if a stage has failed.  "ONE+OTHER"
# runs two stages at the same time; the output of OTHER comes after that of ONE.
run_stages() {
	local stage dir other failed=0

	dir=$(mktemp -d)
	for stage; do
		other=
		if [[ $stage == *+* ]]; then
			other=${stage#*+}
			stage=${stage%+*}
			run_one_stage "$other" "$dir/other" >"$dir/said" 2>&1 &
		fi
		printf '\n=== %s\n' "$stage"
		# Not in a condition, as above.
		set +e
		run_one_stage "$stage" "$dir/one"
		# shellcheck disable=SC2181  # not in a condition
		[ "$?" -eq 0 ] || failed=1
		set -e
		cat "$dir/one" >>"$dir/table"
		[ -n "$other" ] || continue
		wait "$!" || failed=1
		printf '\n=== %s\n' "$other"
		cat "$dir/said"
		cat "$dir/other" >>"$dir/table"
	done
	printf '\n=== summary\n'
	cat "$dir/table"
	rm -r "$dir"
	exit "$failed"
}
