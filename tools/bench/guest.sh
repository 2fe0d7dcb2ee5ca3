#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the kernel's gup_test with the module's walk behind
# get_user_pages_fast() and pin_user_pages_fast(), and then with the C.
#
# Lines for the host: @time WALK PAGES CALL N GET_US PUT_US
#
#	guest.sh MEGABYTES N...
set -eu

here=${0%/*}
mb=$1
shift

measure() { # walk, n...
	walk=$1
	shift
	for pages in T t; do
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
