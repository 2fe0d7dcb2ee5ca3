#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the race programs all at once, round after round, under
# settings that a dice chooses; see tools/testing/soak.
#
#	soak.sh SEED SECONDS

state=$1
deadline=$(($(date +%s) + $2))
cd /tests || exit 1
. ./ktap.sh

thp=/sys/kernel/mm/transparent_hugepage
group=/sys/fs/cgroup/soak
out=/tmp/soak
mkdir -p $out

# The library that the programs share knows by this that they are not alone.
export FAST_GUP_COMPANY=1
set -- ${VM_DISKS:-}
[ -z "${1:-}" ] || export FAST_GUP_EXT4="$1"
if insmod /lib/modules/extra/null_blk.ko memory_backed=1 gb=1 nr_devices=3; then
	export FAST_GUP_NULLB=/dev/nullb0
	mkswap /dev/nullb1 >/dev/null && swapon /dev/nullb1
fi
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir -p $group || exit 1

below() { # N: a number below it, as $r
	state=$(((state * 1103515245 + 12345) % 2147483648))
	r=$((state / 65536 % $1))
}

choose() { # WORD...: one of them, as $chosen
	below $#
	shift $r
	chosen=$1
}

set_to() { # FILE WORD...
	file=$1
	shift
	choose "$@"
	[ ! -e "$file" ] || echo "$chosen" > "$file"
	said="$said $(basename "$file")=$chosen"
}

module_anew() { # load it with other parameters, a few times
	below 4
	times=$((r + 1))
	while [ $times -gt 0 ]; do
		choose 1 1 0
		provide=$chosen
		choose 512 512 7 1 64
		rmmod fast_gup || return 1
		insmod /lib/fast_gup.ko "provide=$provide" "max_section=$chosen" ||
			return 1
		times=$((times - 1))
	done
	said="$said provide=$provide max_section=$chosen"
}

start() { # PROGRAM DEVICE: it does its direct I/O there
	below 100000
	FAST_GUP_SEED=$((r + 1)) FAST_GUP_NULLB=$2 sh -c \
		"echo \$\$ > $group/cgroup.procs; exec ./$1" > "$out/$1" 2>&1 &
	started="$started $!:$1"
}

stop_late() { # what is left when the time is up; nothing of it may stay held
	while [ "$(date +%s)" -lt "$deadline" ]; do
		sleep 1
	done
	echo 1 > $group/cgroup.kill
}

# I/O goes on while the module comes and goes.
./load_helper dio > $out/dio 2>&1 &
dio=$!

bad=0
rounds=0
while [ "$(date +%s)" -lt "$deadline" ] && [ $bad -eq 0 ]; do
	rounds=$((rounds + 1))
	said=
	started=
	module_anew || { echo "@@soak bad module did not load again"; bad=1; break; }
	set_to $thp/enabled always madvise never
	set_to $thp/defrag always defer madvise
	set_to $thp/khugepaged/scan_sleep_millisecs 0 10 1000
	set_to $thp/khugepaged/pages_to_scan 512 4096
	set_to $group/memory.max max 512M 256M
	set_to /proc/sys/vm/dirty_writeback_centisecs 0 100
	choose 1 2 4
	export FAST_GUP_SECONDS="$chosen" FAST_GUP_FUZZ=$((chosen * 200))
	echo "@@soak round $rounds seed $state:$said seconds=$chosen"
	# What one of them writes is not to be where others look for theirs.
	for program in races races_file races_table races_collapse fork_race \
			ranges_race fuzz; do
		start $program "${FAST_GUP_NULLB:+/dev/nullb2}"
	done
	stop_late &
	watchdog=$!
	for one in $started; do
		status=0
		wait "${one%%:*}" || status=$?
		echo "@@soak output ${one#*:}"
		cat "$out/${one#*:}"
		case $status in
		0 | 4) ;;
		137) [ "$(date +%s)" -ge "$deadline" ] ||
			{ echo "@@soak bad ${one#*:} was killed"; bad=1; } ;;
		*) echo "@@soak bad ${one#*:} ended with status $status"; bad=1 ;;
		esac
	done
	kill $watchdog 2>/dev/null
done

kill -TERM $dio
status=0
wait $dio || status=$?
[ $status -eq 0 ] || { echo "@@soak bad direct I/O: $(cat $out/dio)"; bad=1; }
pins_settle 0 || { echo "@@soak bad $(pins_outstanding) pins are left"; bad=1; }
echo "@@soak end $rounds rounds"
exit $bad
