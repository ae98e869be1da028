/* A tracepoint program that only says hello: nothing of the kernel is read. */
#include "fixture.h"

static long (*bpf_trace_printk)(const char *format, u32 size, ...) = (void *)6;

SEC("tracepoint/syscalls/sys_enter_write") int hello(void *ctx)
{
	char text[] = "hello";

	bpf_trace_printk(text, sizeof(text));
	return 0;
}

LICENSE;
