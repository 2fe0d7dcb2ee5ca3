#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest, see tools/bench/benchlib/boot.py.
#
#	job.sh ROUNDS NUMBERS SECTIONS FLAG_NUMBERS BASE KIND...
#
# The rows of all kinds, then with the kind BASE what it costs to publish a
# walk, how late an interrupt is while all of it is asked for, and what that
# costs with sections of other lengths.
set -eu

here=${0%/*}
rounds=$1 numbers=$2 sections=$3 flag_numbers=$4 base=$5
shift 5

"$here/measure" -r "$rounds" -n "$numbers" "$@"

flag=/sys/kernel/debug/lockless_pgtable_walk
if [ -n "$flag_numbers" ] && [ -e $flag ]; then
	for published in 0 1; do
		echo $published > $flag
		echo "@published $published"
		"$here/measure" -r "$rounds" -n "$flag_numbers" -c C,ours "$base"
	done
fi

[ -n "$sections" ] || exit 0

echo "@late"
"$here/measure" -r "$rounds" -n 0 -l "$base"
for length in $sections; do
	rmmod fast_gup
	insmod /lib/fast_gup.ko "max_section=$length"
	echo "@sections $length"
	"$here/measure" -r "$rounds" -n 0 -c ours,ranges "$base"
done
