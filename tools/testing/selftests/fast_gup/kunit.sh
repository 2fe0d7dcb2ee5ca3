#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the kernel's own unit tests said: those of kernel::mm::gup, the examples of its
# documentation, and those of published walks.  They ran at boot, with kunit.enable=1.

set -eu
cd "$(dirname "$0")"
. ./ktap.sh

kunit=/sys/kernel/debug/kunit

if [ ! -d "$kunit/rust_mm_gup" ]; then
	echo "1..0 # SKIP no CONFIG_RUST_GUP_KUNIT_TEST, or no kunit.enable=1"
	exit 4
fi

# Lines "ok 3 name" of the suite; of the examples, those that are about this.
results() {
	sed -n 's/^ *\(ok\|not ok\) [0-9]* \([a-z_0-9.]*\).*/\1 \2/p' \
		"$kunit/rust_mm_gup/results" | grep -v ' rust_mm_gup$'
	[ ! -d "$kunit/lockless_pgtable_walk" ] ||
		sed -n 's/^ *\(ok\|not ok\) [0-9]* \([a-z_]*\).*/\1 \2/p' \
			"$kunit/lockless_pgtable_walk/results" | grep -v ' lockless_pgtable_walk$'
	[ ! -d "$kunit/rust_doctests_kernel" ] ||
		sed -n 's/^ *\(ok\|not ok\) [0-9]* \(rust_doctest_kernel_\(mm_gup\|kunit\|capability\)_.*\)/\1 \2/p' \
			"$kunit/rust_doctests_kernel/results"
}

out=$(mktemp)
trap 'rm -f "$out"' EXIT
results >"$out"

if [ ! -s "$out" ]; then
	ktap_plan 1
	ktap_fail "the tests ran" "no results in $kunit"
	exit 1
fi
ktap_plan "$(wc -l <"$out")"
while read -r line; do
	case $line in
	"ok "*) ktap_pass "${line#ok }" ;;
	*) ktap_fail "${line#not ok }" "see the kernel's log, which has the line" ;;
	esac
done <"$out"
ktap_end
