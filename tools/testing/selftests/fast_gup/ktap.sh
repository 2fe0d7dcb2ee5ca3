# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# TAP for the shell tests here, in POSIX sh: guests have busybox only.

ktap_number=0
ktap_failed=0

ktap_plan() {
	echo "TAP version 13"
	echo "1..$1"
}

ktap_result() { # ok|not ok, description
	ktap_number=$((ktap_number + 1))
	echo "$1 $ktap_number $2"
}

ktap_pass() { ktap_result "ok" "$1"; }
ktap_skip() { ktap_result "ok" "$1 # SKIP $2"; }

ktap_fail() { # description, what was seen
	ktap_failed=$((ktap_failed + 1))
	[ -z "${2:-}" ] || echo "# $2"
	ktap_result "not ok" "$1"
}

ktap_check() { # description, what was seen, command...
	ktap_what=$1
	ktap_seen=$2
	shift 2
	if "$@"; then
		ktap_pass "$ktap_what"
	else
		ktap_fail "$ktap_what" "$ktap_seen"
	fi
}

ktap_end() { [ "$ktap_failed" -eq 0 ]; }

vmstat() { # name
	cat /proc/sys/vm/stat_refresh 2>/dev/null || :
	sed -n "s/^$1 //p" /proc/vmstat
}

pins_outstanding() {
	cat /proc/sys/vm/stat_refresh 2>/dev/null || :
	awk '$1 == "nr_foll_pin_acquired" { a = $2 }
	     $1 == "nr_foll_pin_released" { r = $2 }
	     END { print a - r }' /proc/vmstat
}

# I/O releases its pins when it completes, which may be a moment later.
pins_settle() { # expected
	i=0
	while [ "$(pins_outstanding)" -ne "$1" ]; do
		i=$((i + 1))
		[ $i -lt 50 ] || return 1
		sleep 0.1
	done
}
