// SPDX-License-Identifier: GPL-2.0
/* Iterators. */
#include "suite.h"

EMPTY("iter/task", task)
EMPTY("iter.s/task", task_sleepable)
EMPTY("iter/task_file", task_file)
EMPTY("iter/task_vma", task_vma)
EMPTY("iter/bpf_map", bpf_map)
EMPTY("iter/bpf_prog", bpf_prog)
EMPTY("iter/bpf_link", bpf_link)
EMPTY("iter/tcp", tcp)
EMPTY("iter/unix", unix_sockets)
EMPTY("iter/ksym", ksym)
EMPTY("iter/kmem_cache", kmem_cache)
EMPTY("iter/no_such_iterator", absent)
