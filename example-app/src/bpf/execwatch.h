/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The events that execwatch.bpf.c sends and src/event.rs parses, in native byte order. */
#ifndef EXECWATCH_H
#define EXECWATCH_H

#define FILENAME_MAX_BYTES 128
/* A power of two, so that one `&` bounds a length for any verifier. */
#define ARGS_MAX_BYTES 512

enum event_kind {
	EVENT_EXEC = 1,
	EVENT_EXIT = 2,
};

struct event {
	/* Nanoseconds since boot, suspended time included, at which the process started. */
	__u64 start_boottime;
	/* Nanoseconds from the start of the process to this event. */
	__u64 age;
	__u32 kind;
	__u32 pid;
	__u32 ppid;
	__u32 uid;
	/* As wait(2) reports it: signal in the low seven bits, status in the second byte. */
	__s32 exit_code;
	/* Used bytes of `args`. */
	__u32 args_len;
	/* 1 if the arguments do not fit into `args`. */
	__u32 args_cut;
	char comm[16];
	char filename[FILENAME_MAX_BYTES];
	/* NUL-separated; only `args_len` bytes are sent. */
	char args[ARGS_MAX_BYTES];
};

#endif
