# SPDX-License-Identifier: GPL-2.0
"""Tests of the preparation, on small trees and with commands that stand in for apt and make."""
