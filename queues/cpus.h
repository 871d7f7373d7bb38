/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LEAT_CPUS_H
#define LEAT_CPUS_H

#include <stdint.h>

/*
 * cpus_usable is how many processors this process may use: its affinity, and
 * what its cgroup's quota amounts to, rounded up; at least 1.
 */
uint32_t cpus_usable(void);

#endif
