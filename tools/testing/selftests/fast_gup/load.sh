#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading the module under direct I/O: no reference is lost and
# no byte is wrong, and while pins are held through the device it stays.
#
#	FAST_GUP_KO	the module (default: /lib/fast_gup.ko)
#	FAST_GUP_CYCLES	how often to load and unload it (default: 1000)
#	FAST_GUP_EXT4, FAST_GUP_NULLB	where the I/O goes, as for dio

set -eu
cd "$(dirname "$0")"
. ./ktap.sh

ko=${FAST_GUP_KO:-/lib/fast_gup.ko}
cycles=${FAST_GUP_CYCLES:-1000}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

if [ ! -e "$ko" ]; then
	echo "1..0 # SKIP no module at $ko: set FAST_GUP_KO"
	exit 4
fi

loaded() { [ -d /sys/module/fast_gup ]; }

load() { loaded || insmod "$ko"; }
unload() { ! loaded || rmmod fast_gup; }

wait_ready() { # file
	i=0
	until grep -q ready "$1" 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 300 ] || return 1
		sleep 0.1
	done
}

ktap_plan 8
load
before=$(pins_outstanding)

# 1: a held pin is an open file, and an open file holds the module.
./load_helper hold 100 >"$out/hold" 2>&1 &
hold=$!
if wait_ready "$out/hold"; then
	pinned=$(($(pins_outstanding) - before))
	ktap_check "pins are held" "$pinned pins" [ "$pinned" -eq 100 ]
	if rmmod fast_gup 2>"$out/rmmod"; then
		ktap_fail "rmmod refuses while pins are held" "it unloaded"
		load
	else
		ktap_check "rmmod refuses while pins are held" \
			"$(cat "$out/rmmod")" loaded
	fi
else
	ktap_fail "pins are held" "$(cat "$out/hold")"
	ktap_fail "rmmod refuses while pins are held" "none were held"
fi
kill "$hold" 2>/dev/null || :
wait "$hold" || :
ktap_check "closing gives the pins back" "$(pins_outstanding) outstanding" \
	pins_settle "$before"

# 2: in and out again under load.
./load_helper dio >"$out/dio" 2>&1 &
dio=$!
if wait_ready "$out/dio"; then
	n=0
	served=0
	failed=
	started=$(date +%s)
	while [ "$n" -lt "$cycles" ]; do
		unload 2>"$out/rmmod" || { failed="rmmod: $(cat "$out/rmmod")"; break; }
		load 2>"$out/insmod" || { failed="insmod: $(cat "$out/insmod")"; break; }
		n=$((n + 1))
		if [ $((n % 100)) -eq 0 ]; then
			# Long enough for I/O to go through this instance.
			sleep 0.2
			pages=$(sed -n 's/^direct_io pages //p' \
				/sys/kernel/debug/fast_gup/stats)
			[ "${pages:-0}" -eq 0 ] || served=$((served + 1))
			echo "# $n of $cycles cycles, $(($(date +%s) - started)) s"
		fi
		kill -0 "$dio" 2>/dev/null || { failed="the I/O ended early"; break; }
	done
	ktap_check "$cycles cycles of insmod and rmmod under direct I/O" \
		"$n cycles, $failed" [ "$n" -eq "$cycles" ]
	ktap_check "the module served I/O between the cycles" \
		"it served in $served of $((n / 100)) looks" \
		[ "$served" -gt 0 ]
	kill -TERM "$dio" 2>/dev/null || :
	status=0
	wait "$dio" || status=$?
	tail -n 3 "$out/dio" | sed 's/^/# /'
	ktap_check "content was right all the time" "exit status $status" \
		[ "$status" -eq 0 ]
	ktap_check "no pin was lost" \
		"$(pins_outstanding) outstanding, $before before" \
		pins_settle "$before"
else
	why=$(tail -n 1 "$out/dio")
	kill "$dio" 2>/dev/null || :
	wait "$dio" || :
	for what in "insmod and rmmod under direct I/O" \
		"the module served I/O between the cycles" \
		"content was right all the time" "no pin was lost"; do
		ktap_skip "$what" "$why"
	done
fi

# 3: it is there again for whoever comes next.
load
ktap_check "the module is loaded at the end" "it is not" loaded
ktap_end
