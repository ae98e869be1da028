/* Refuses to open one inode: an LSM program, which attaches through the kernel's own BTF. */
#include "fixture.h"

struct inode {
	unsigned long i_ino;
} CORE;

struct file {
	struct inode *f_inode;
	unsigned int f_flags;
} CORE;

SEC("lsm/file_open") int file_open(u64 *ctx)
{
	struct file *file = (void *)ctx[0];
	int ret = (int)ctx[1];

	if (ret)
		return ret;
	return file->f_inode->i_ino == 4242 && file->f_flags ? -1 : 0;
}

LICENSE;
