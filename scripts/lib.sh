# shellcheck shell=bash
# What the scripts share: installing packages, unpacking them, saying things,
# running the unit tests, the fuzz corpus and clang-tidy.
# Sourced, never run.

# Runs a command as root: as it is for root, else by sudo.
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

# Updates the package lists, once in a run, and only when something is needed.
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

# need PACKAGE...: installs those that are missing.
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

# fetch_deb DIR PACKAGE...: unpacks packages below DIR, installing nothing,
# for the FTP servers: Debian does not let them be installed together, and
# nobody wants one on his machine because of a test.  Once for each DIR.
fetch_deb() {
	local dir package work

	mkdir -p "$1"
	dir=$(realpath "$1")
	shift
	for package; do
		[ ! -e "$dir/.have-$package" ] || continue
		say "unpacking $package"
		apt_update || return 1
		work=$(mktemp -d "$dir/.fetch.XXXXXX")
		# Not as _apt, who may not write here.
		(cd "$work" && apt-get -qq -o APT::Sandbox::User=root \
		    download "$package" >&2 && dpkg -x ./*.deb "$dir") ||
		    { rm -rf "$work"; return 1; }
		rm -rf "$work"
		: >"$dir/.have-$package"
	done
}

# make_root DIR: makes a minimal Debian of its own there, once: of this release,
# from where this host has its packages.
make_root() {
	local dir=$1 suite mirror

	[ ! -d "$dir" ] || return 0
	# shellcheck source=/dev/null
	suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# shellcheck disable=SC2016  # apt's variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' \
	    'Created-By: Packages' "Codename: $suite" 'Label: Debian' |
	    head -n 1)
	as_root rm -rf "$dir.new"
	as_root debootstrap --variant=minbase "$suite" "$dir.new" \
	    "${mirror:-http://deb.debian.org/debian}" || return 1
	as_root mv "$dir.new" "$dir"
}

# The libraries and tools that the build takes.
need_build() {
	need build-essential meson ninja-build pkg-config libuv1-dev \
	    libmnl-dev libseccomp-dev libinih-dev libjansson-dev \
	    libmicrohttpd-dev libncurses-dev nettle-dev openssh-client
}

# The libraries of the unpacked FTP servers, and those servers.
need_servers() {
	need python3 python3-pyftpdlib libcap2 libhiredis0.14 libmemcached11 \
	    libmemcachedutil2 libpam0g libpcre2-posix3 libsodium23 libssl3 \
	    libwrap0 netbase
	fetch_deb "$1" vsftpd proftpd-core pure-ftpd pure-ftpd-common \
	    inetutils-ftpd
}

# need_ssh_servers DIR: what the SSH servers other than OpenSSH's take; those made
# of libraries of Go and npm go to DIR, once.
need_ssh_servers() {
	local dir

	need dropbear-bin python3-asyncssh python3-paramiko
	mkdir -p "$1"
	dir=$(realpath "$1")
	if [ ! -e "$dir/gliderlabs" ]; then
		need golang-go golang-github-gliderlabs-ssh-dev
		GO111MODULE=off GOPATH=/usr/share/gocode CGO_ENABLED=0 \
		    GOCACHE="$dir/go-cache" go build -o "$dir/gliderlabs" \
		    tests/integration/ssh_programs/gliderlabs.go || return 1
		rm -rf "$dir/go-cache"
	fi
	if [ ! -e "$dir/node_modules/ssh2" ]; then
		command -v npm >/dev/null || need npm
		# Its optional parts are compiled; it works without.
		npm --prefix "$dir" install --silent --no-audit --no-fund \
		    --ignore-scripts --omit=optional ssh2@1.17.0 >&2
	fi
}

# unit DIR [COMMAND...]: runs the unit tests of a build, each program by itself,
# so that its own summary is seen, and as many at a time as there are cores;
# under a command if there is one.  $UNIT_SECONDS: for each.
unit() {
	local dir=$1 program status=0 said programs=()

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
		    touch "$0/failed"
	    ' "$said" "$@" || status=1
	for program in "${programs[@]}"; do
		echo "--- $program"
		cat "$said/${program##*/}"
	done
	[ -e "$said/failed" ] && status=1
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

# tidy DIR: clang-tidy on the sources, with the commands of a build.  Without
# those, and the count of what system headers have, in what it says.
tidy() {
	run-clang-tidy -quiet -p "$1" -j "$(nproc)" "^$PWD/src/.*" 2>&1 |
	    sed -E '/^clang-tidy|^[0-9]+ warnings? generated|^$/d'
	return "${PIPESTATUS[0]}"
}

# run_one_stage NAME RESULT: runs stage_NAME; a line for the table goes to the file
# RESULT.  0 if it passed.
run_one_stage() {
	local began=$SECONDS status result=passed

	# Not in a condition, where set -e would not count.
	set +e
	(set -e; "stage_$1")
	status=$?
	set -e
	[ "$status" -eq 0 ] || result=FAILED
	printf '%-20s %s %5d s\n' "$1" "$result" "$((SECONDS - began))" >"$2"
	return "$status"
}

# run_stages NAME...: runs each stage_NAME, prints a table of them, and exits: 1
# if one has failed, which does not keep the next from running.  "ONE+OTHER": the
# two at a time; what the other says comes behind what the one does.
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
		run_one_stage "$stage" "$dir/one" || failed=1
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
