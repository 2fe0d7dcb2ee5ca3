#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: how long the mmap lock is held in the slow path.
#
#	hold.sh PAGES NANOSECONDS
set -eu

here=${0%/*}

# A disk that takes so long for a request, by the clock of the guest.
insmod /lib/modules/extra/null_blk.ko gb=1 memory_backed=1 irqmode=2 completion_nsec="$2"
"$here/hold" /dev/nullb0 "$1"
