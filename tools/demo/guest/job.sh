#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The demo's work in the guest: the same four jobs with the module and without.
# Lines that start with @ are for the host, which draws the progress and the
# table; everything else is for people.
#
#	job.sh FILE THREADS CHUNKS
set -eu

here=${0%/*}
mount -t ext4 /dev/vda /mnt
file=/mnt/$1 threads=$2 chunks=$3
copy=/mnt/copy
stats=/sys/kernel/debug/fast_gup/stats

vmstat() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# The kernel keeps the pin counters per CPU and adds them up now and then;
# stat_refresh does it now.  A transfer's pins are dropped by the interrupt's
# worker, which may be a moment behind the system call.
settle() {
	tries=0
	while :; do
		echo 1 > /proc/sys/vm/stat_refresh
		acquired=$(vmstat nr_foll_pin_acquired)
		released=$(vmstat nr_foll_pin_released)
		[ "$acquired" != "$released" ] && [ "$tries" -lt 40 ] || break
		tries=$((tries + 1))
		usleep 50000
	done
}

snapshot() {
	settle
	for key in nr_foll_pin_acquired nr_foll_pin_released fast_gup fast_gup_slow; do
		echo "@$1 vmstat $key $(vmstat $key)"
	done
	[ ! -e $stats ] || sed "s/^/@$1 /" $stats
}

milliseconds() {
	read -r up _ < /proc/uptime
	echo "${up%.*}${up#*.}0"
}

# step NAME COMMAND...: runs one job between two looks at the counters.
step() {
	echo "@step $mode $1"
	snapshot before
	begin=$(milliseconds)
	name=$1
	shift
	if ! "$@"; then
		echo "@failed $name"
		exit 1
	fi
	echo "@took $(($(milliseconds) - begin))"
	snapshot after
}

# The copy is read back from the disk, not from the page cache; the host knows
# what it should be.
check() {
	echo "@step $mode check"
	sync
	echo 3 > /proc/sys/vm/drop_caches
	got=$(sha256sum < $copy)
	echo "@sha256 ${got%% *}"
	rm $copy
}

jobs() {
	step direct "$here/copy_direct" "$file" $copy "$threads"
	check
	step uring "$here/copy_uring" "$file" $copy
	check
	step splice "$here/copy_splice" "$file" $copy
	check
	step churn "$here/churn" "$file" "$threads" "$chunks"
}

mode=loaded
jobs
mode=unloaded
rmmod fast_gup
jobs
