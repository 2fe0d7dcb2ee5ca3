#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: one row, and where the kernel's functions are.
set -eu

"${0%/*}/measure" -r 1 "$@"
sed 's/^/@symbol /' /proc/kallsyms
