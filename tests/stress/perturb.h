/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Perturbation: a library compiled with LEAT_PERTURB calls leat_perturb where
 * threads hand over to each other. It yields, spins or sleeps at random there,
 * so that rare schedules become common.
 */
#ifndef PERTURB_H
#define PERTURB_H

#include <stdint.h>

void leat_perturb(void);

/* perturb_seed makes the threads that start from now on repeat their choices;
 * the schedule itself is still the kernel's. */
void perturb_seed(uint64_t seed);

#endif
