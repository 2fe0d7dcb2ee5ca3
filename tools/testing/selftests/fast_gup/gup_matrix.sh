#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own gup_test in the combinations of run_vmtests.sh, while the
# module serves: each combination is one test.
#
#	GUP_TEST	the kernel's gup_test, built static (default: ./gup_test)
#	GUP_TEST_MB	memory for each run (default: 16; the kernel uses 128)

set -eu
cd "$(dirname "$0")"
. ./ktap.sh

gup_test=${GUP_TEST:-./gup_test}
mb=${GUP_TEST_MB:-16}

if [ ! -x "$gup_test" ]; then
	echo "1..0 # SKIP no gup_test: set GUP_TEST"
	exit 4
fi
if [ ! -e /sys/kernel/debug/gup_test ]; then
	echo "1..0 # SKIP the kernel has no CONFIG_GUP_TEST"
	exit 4
fi

run_one() { # arguments
	status=0
	# shellcheck disable=SC2086 # arguments are words
	out=$("$gup_test" $1 2>&1) || status=$?
	# The kernel's test passes when it was not allowed to run at all.
	case $out in
	*"# SKIP"*)
		ktap_skip "gup_test $1" "$(echo "$out" | sed -n 's/.*# SKIP *//p' | head -n 1)"
		;;
	*"not ok"* | *Truncated* | *truncated*)
		ktap_fail "gup_test $1" "$(echo "$out" | grep -i -e 'not ok' -e truncated | head -n 1)"
		;;
	*"ok 1 "*)
		ktap_check "gup_test $1" "exit status $status" [ "$status" -eq 0 ]
		;;
	*)
		ktap_fail "gup_test $1" "no result, exit status $status"
		;;
	esac
}

ktap_plan 243
before=$(vmstat fast_gup)
pins=$(pins_outstanding)

for huge in -t -T -H; do
	for command in -u -U -a -b -L; do
		for write in -w -W; do
			for share in "" " -S"; do
				for number in 1 512 123 -1; do
					run_one "-m $mb $huge $command $write$share -n $number"
				done
			done
		done
	done
done
run_one "-m $mb -c -t -F 0x1 0 19 0x1000"

served=$(($(vmstat fast_gup) - before))
# 48 of the combinations each are -u and -a; most memory is populated.
page_kb=$(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' \
	/proc/self/smaps | head -n 1)
ktap_check "the module served the fast entries" "$served pages" \
	[ "$served" -gt $((96 * mb * 1024 / page_kb / 2)) ]
ktap_check "every pin was given back" "$(pins_outstanding), $pins before" \
	pins_settle "$pins"
ktap_end
