#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: each program of /tests/list in turn, between marks that
# tell the driver on the host where its output starts and ends.
#
# A line of the list: SECONDS PROGRAM [ARGUMENT...]

mark=$1
cd /tests || exit 1

# Disks: the first for ext4, and two null_blk that remember what is written.
set -- ${VM_DISKS:-}
[ -z "${1:-}" ] || export FAST_GUP_EXT4="$1"
set -- ${VM_NVME:-}
[ -z "${1:-}" ] || export FAST_GUP_NVME="$1"
set -- ${VM_SLOW:-}
[ -z "${1:-}" ] || export FAST_GUP_SLOW="$1"
null_blk=/lib/modules/extra/null_blk.ko
if [ -e "$null_blk" ]; then
	if insmod "$null_blk" memory_backed=1 gb=1 nr_devices=2; then
		export FAST_GUP_NULLB=/dev/nullb0
	fi
fi
export FAST_GUP_REQUIRED=1 FAST_GUP_KO=/lib/fast_gup.ko
export GUP_TEST=/tests/gup_test
. /tests/environment
if [ -n "${FAST_GUP_SWAP:-}" ] && [ -e /dev/nullb1 ]; then
	mkswap /dev/nullb1 > /dev/null && swapon /dev/nullb1
fi

# The kernel's tests make files where they are: on a disk, as they expect.
disk=/tmp/fast_gup.ext4
if [ -n "${FAST_GUP_EXT4:-}" ]; then
	mkdir -p "$disk" && mount -t ext4 "$FAST_GUP_EXT4" "$disk"
fi

# Writeback makes pages read-only behind the back of the tests that compare what
# the walk gets, and khugepaged makes huge pages again of those that were split:
# the tests that want either ask for it.
echo 0 > /proc/sys/vm/dirty_writeback_centisecs
echo 90 > /proc/sys/vm/dirty_ratio
echo 80 > /proc/sys/vm/dirty_background_ratio
khugepaged=/sys/kernel/mm/transparent_hugepage/khugepaged
if [ -d $khugepaged ]; then
	echo 3600000 > $khugepaged/scan_sleep_millisecs
fi

while read -r seconds program arguments; do
	echo "$mark begin $program $arguments"
	case $program in
	kernel_*) directory=$disk ;;
	*) directory=/tests ;;
	esac
	status=0
	# shellcheck disable=SC2086 # arguments are words
	(cd "$directory" && exec timeout -s KILL "$seconds" \
		"/tests/$program" $arguments) </dev/null 2>&1 || status=$?
	echo "$mark end $status"
done < /tests/list
exit 0
