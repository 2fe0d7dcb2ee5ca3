#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest, see tools/bench/benchlib/boot.py.
#
#	job.sh ROUNDS NUMBERS SECTIONS BASE KIND...
#
# The rows of all kinds, then with the kind BASE how late an interrupt is while
# all of it is asked for, and what that costs with sections of other lengths.
set -eu

here=${0%/*}
rounds=$1 numbers=$2 sections=$3 base=$4
shift 4

"$here/measure" -r "$rounds" -n "$numbers" "$@"
[ -n "$sections" ] || exit 0

echo "@late"
"$here/measure" -r "$rounds" -n 0 -l "$base"
for length in $sections; do
	rmmod fast_gup
	insmod /lib/fast_gup.ko "max_section=$length"
	echo "@sections $length"
	"$here/measure" -r "$rounds" -n 0 -c ours,ranges "$base"
done
