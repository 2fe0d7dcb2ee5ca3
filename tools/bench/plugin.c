// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU: counts the instructions, and those that lock memory, that
 * are executed between one mark of src/bench.c and the next.
 *
 *	-plugin plugin.so,out=FILE[,profile=FILE]
 *
 * One line an interval: INSTRUCTIONS LOCKED.  The profile has a line for each
 * instruction: ADDRESS and how often it was executed in the first interval, the
 * third, and so on, and in the others.  On x86, locked are instructions
 * with a lock prefix and exchanges with memory; on PowerPC, the conditional
 * stores that end an atomic operation.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

int qemu_plugin_version = 2;

/* An instruction, once for each time that QEMU has translated it. */
struct instruction {
	struct instruction *next;
	uint64_t address;
	uint64_t executed[2];
	bool locks;
};

static FILE *out, *profile;
static struct instruction *all;
static bool counting;
static uint64_t instructions, locked;
static unsigned int interval;

/* The guest has one CPU: nothing else runs meanwhile. */
static void at_any(unsigned int cpu, void *data)
{
	struct instruction *this = data;

	(void)cpu;
	instructions++;
	locked += this->locks;
	if (counting)
		this->executed[interval % 2]++;
}

static void at_mark(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (counting) {
		fprintf(out, "%llu %llu\n", (unsigned long long)instructions,
			(unsigned long long)locked);
		fflush(out);
		interval++;
	}
	counting = !counting;
	instructions = 0;
	locked = 0;
}

static bool is_mark(const char *text)
{
	return strstr(text, "0x67757021") ||
	       (!strncmp(text, "cmplwi", 6) && strstr(text, "0x6775"));
}

static bool is_locked(const char *text)
{
	if (!strncmp(text, "lock", 4))
		return true;
	if (!strncmp(text, "xchg", 4))
		return strchr(text, '(') || strchr(text, '[');
	return !strncmp(text, "stwcx", 5) || !strncmp(text, "stdcx", 5);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t nr = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t i = 0; i < nr; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		char *text = qemu_plugin_insn_disas(insn);
		struct instruction *this = calloc(1, sizeof(*this));
		exec_cb at;

		if (!this)
			abort();
		this->address = qemu_plugin_insn_vaddr(insn);
		this->locks = text && is_locked(text);
		this->next = all;
		all = this;
		at = text && is_mark(text) ? at_mark : at_any;
		qemu_plugin_register_vcpu_insn_exec_cb(insn, at, QEMU_PLUGIN_CB_NO_REGS, this);
		free(text);
	}
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	for (struct instruction *this = all; this && profile; this = this->next)
		if (this->executed[0] || this->executed[1])
			fprintf(profile, "%llx %llu %llu\n",
				(unsigned long long)this->address,
				(unsigned long long)this->executed[0],
				(unsigned long long)this->executed[1]);
	if (profile)
		fclose(profile);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		if (!strncmp(argv[i], "profile=", 8))
			profile = fopen(argv[i] + 8, "w");
	}
	if (!out) {
		fprintf(stderr, "plugin: give me out=FILE\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
