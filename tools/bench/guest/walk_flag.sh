#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: collapses with walks published and not, in turn.
#
#	walk_flag.sh ROUNDS CASE...	CASE is KB:MEGABYTES:WALKERS:SLEEPERS
set -eu

here=${0%/*}
rounds=$1
shift

if [ ! -e /sys/kernel/debug/lockless_pgtable_walk ]; then
	echo "@skip the kernel has no CONFIG_LOCKLESS_PGTABLE_WALK"
	exit 0
fi
echo "@cpu $(sed -n 's/^\(model name\|cpu\)[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	# Neither of them is always the first.
	if [ $((round % 2)) -eq 1 ]; then flags="0 1"; else flags="1 0"; fi
	for case in "$@"; do
		for flag in $flags; do
			# shellcheck disable=SC2046 # these are words
			"$here/collapse" "$round" "$flag" $(echo "$case" | tr : " ")
		done
	done
done
