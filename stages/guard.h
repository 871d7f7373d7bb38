/* SPDX-License-Identifier: BSD-2-Clause */
/* A guard: what is still to be done when a thread ends in the middle. */
#ifndef LEAT_GUARD_H
#define LEAT_GUARD_H

/*
 * guard calls body. If that does not return, since the thread was ended there
 * (pthread_exit, pthread_cancel), it calls ended, and the thread ends after
 * that. What ended calls is guarded no more.
 */
void guard(void (*body)(void *), void (*ended)(void *), void *arg);

#endif
