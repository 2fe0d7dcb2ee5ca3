#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the kernel's gup_test with the module's walk behind
# get_user_pages_fast() and pin_user_pages_fast(), and then with the C.
#
# Lines for the host:
#	@sizes PAGE_KB HUGE_KB MEGABYTES	of a base page, of a THP (0: there are none), of memory
#	@time WALK PAGES CALL N GET_US PUT_US
#
#	guest.sh PAGES N...	as many base pages a measurement
set -eu

here=${0%/*}
page_kb=$(sed -n 's/^KernelPageSize: *\([0-9]*\) kB/\1/p' /proc/self/smaps | head -n 1)
huge=$(cat /sys/kernel/mm/transparent_hugepage/hpage_pmd_size 2>/dev/null || echo 0)
mb=$(($1 * page_kb / 1024))
shift
echo "@sizes $page_kb $((huge / 1024)) $mb"

# -T: base pages, -t: transparent huge pages.
kinds=T
[ "$huge" -eq 0 ] || kinds="T t"

measure() { # walk, n...
	walk=$1
	shift
	for pages in $kinds; do
		for call in u a; do
			for n in "$@"; do
				out=$("$here/gup_test" -m "$mb" "-$pages" "-$call" -w -n "$n")
				echo "$out" | sed -n \
					"s/.*get:\([0-9]*\) put:\([0-9]*\) us.*/@time $walk $pages $call $n \1 \2/p"
			done
		done
	done
}

measure walk "$@"
rmmod fast_gup
measure c "$@"
