/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <pthread.h> has two kinds of cleanup handlers, and chooses by this macro. One
 * is part of unwinding, and does not run when some function in between has no
 * unwind tables: then the C library jumps past it to the start of the thread.
 * The other is where it jumps to. That one it must be here.
 */
#undef __EXCEPTIONS
#include <pthread.h>
#include "stages/guard.h"

void guard(void (*body)(void *), void (*ended)(void *), void *arg)
{
	pthread_cleanup_push(ended, arg);
	body(arg);
	pthread_cleanup_pop(0);
}
