#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: direct I/O with the walk and with C, in turn.
#
#	direct_io.sh ROUNDS SECONDS THREADS BYTES...	THREADS is a list in one word
set -eu

here=${0%/*}
rounds=$1 seconds=$2 threads=$3
shift 3

# A device that is done with a request at once, so that what is left is the
# request itself.
insmod /lib/modules/extra/null_blk.ko queue_mode=0 gb=1 memory_backed=0

echo "@cpu $(sed -n 's/^\(model name\|cpu\)[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"

measure() {
	echo "@caller $1"
	for nr in $threads; do
		for bytes in $bytes_list; do
			"$here/direct_io" /dev/nullb0 "$seconds" "$nr" "$bytes"
		done
	done
}

bytes_list=$*
round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	# Neither of them is always the first.
	if [ $((round % 2)) -eq 1 ]; then
		measure ours
		rmmod fast_gup
		measure C
		insmod /lib/fast_gup.ko
	else
		rmmod fast_gup
		measure C
		insmod /lib/fast_gup.ko
		measure ours
	fi
done
