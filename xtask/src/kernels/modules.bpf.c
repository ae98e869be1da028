// SPDX-License-Identifier: GPL-2.0
/*
 * Reads, from an open file on overlayfs, the inode number of the file below it, through a type of module overlay. And
 * looks at struct bictcp, which module tcp_bic and the kernel (tcp_cubic) define differently.
 */
#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))
#define OFFSET(type, field) __builtin_preserve_field_info(((struct type *)0)->field, 0)
#define TYPE_INFO(type, what) __builtin_preserve_type_info(*(struct type *)0, what)
#define READ(to, from) bpf_probe_read_kernel(&(to), sizeof(to), &(from))

typedef unsigned int u32;
typedef unsigned long u64;

static void *(*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;

struct inode {
	u64 i_ino;
} CORE;

struct dentry {
	struct inode *d_inode;
} CORE;

struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
} CORE;

struct file {
	struct inode *f_inode;
} CORE;

struct fdtable {
	struct file **fd;
} CORE;

struct files_struct {
	struct fdtable *fdt;
} CORE;

struct task_struct {
	struct files_struct *files;
} CORE;

struct bictcp {
	u32 epoch_start;
} CORE;

/* In: a file descriptor. Out: the values. */
u64 values[7];

SEC("raw_tp")
int read_modules(void *ctx)
{
	struct task_struct *task = bpf_get_current_task();
	struct files_struct *files;
	struct fdtable *table;
	struct file **fds, *file;
	struct inode *inode;
	struct dentry *upper;
	u64 fd = values[0];

	READ(files, task->files);
	READ(table, files->fdt);
	READ(fds, table->fd);
	READ(file, fds[fd]);
	READ(inode, file->f_inode);
	inode = (void *)inode - OFFSET(ovl_inode, vfs_inode);
	READ(upper, ((struct ovl_inode *)inode)->__upperdentry);
	READ(inode, upper->d_inode);
	READ(values[0], inode->i_ino);
	values[1] = OFFSET(ovl_inode, vfs_inode);
	values[2] = OFFSET(ovl_inode, __upperdentry);
	values[3] = TYPE_INFO(ovl_inode, 1);
	values[4] = TYPE_INFO(ovl_inode, 0);
	values[5] = OFFSET(bictcp, epoch_start);
	values[6] = TYPE_INFO(bictcp, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
