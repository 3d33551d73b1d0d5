/*
 * A program under gdb (core/gdb): how its threads stand where a pause of the scheduler does not hold them, and what they tell of.
 *
 * 1. A thread outside of the guest is busy: it may change registers and memory, as system calls and signals do. It is not
 *    while it is within a call of the host's that may block, or waits here.
 * 2. When a stop begins (pb_gdb_program.stopping), nobody becomes busy; who is finishes what it is at. All stand when nobody
 *    executes and nobody is busy. So locks of the emulator are held by busy threads only.
 * 3. What a thread comes to, it tells of before it does it, and stands until the client says how to go on.
 * 4. The stub has a thread of its own. It holds `quiet` but while it waits for events, so that a fork finds it holding nothing.
 *
 * All functions do nothing without a debugger.
 */
#ifndef CORE_USER_DEBUG_H
#define CORE_USER_DEBUG_H

#include <core/user/internal.h>

void pb_user_debug_free(pb_user *user);
/* The stub's thread, around the run. Begun before signals are let in. */
void pb_user_debug_run(pb_user *user);
void pb_user_debug_end(pb_user *user);

/* A thread's first and last word, on it, outside of its work. `last`: the program ends with it. */
void pb_user_debug_thread_begin(pb_user_thread *t);
void pb_user_debug_thread_end(pb_user_thread *t, bool last);

void pb_user_debug_enter_slow(pb_user_thread *t);
void pb_user_debug_leave_slow(pb_user_thread *t);
/* The thread is busy from now on; it may have to wait for that. By pb_user_work_begin(). */
static inline void pb_user_debug_enter(pb_user_thread *t)
{
    if (G_UNLIKELY(t->user->debug))
        pb_user_debug_enter_slow(t);
}
/* And is not any more: it enters the guest, or a call that may block. */
static inline void pb_user_debug_leave(pb_user_thread *t)
{
    if (G_UNLIKELY(t->user->debug))
        pb_user_debug_leave_slow(t);
}

/* A signal is to be delivered: false: it shall not. The client may have another one instead. */
bool pb_user_debug_signal(pb_user_thread *t, siginfo_t *info);
/* The signal that comes next is that one: it is not told of again. */
void pb_user_debug_asked(pb_user_thread *t);
/* A system call is to be made, and done. */
void pb_user_debug_call(pb_user_thread *t);
void pb_user_debug_return(pb_user_thread *t);
/* The thread is at another instruction than it was, without having executed: a step ends there, if there is one. */
void pb_user_debug_moved(pb_user_thread *t);
void pb_user_debug_stepped(pb_user_thread *t);
/* The program ends, by a signal or with a status. */
void pb_user_debug_over(pb_user_thread *t, int signal, int status);

/* Another program for the architecture is to be executed: the option that has it debugged, or null; g_free() it. The second: it could
 * not be executed. */
char *pb_user_debug_execute(pb_user_thread *t);
void pb_user_debug_execute_failed(pb_user_thread *t);

/* Around fork(): in the child there is no debugger then. */
void pb_user_debug_fork_begin(pb_user_thread *t);
void pb_user_debug_fork_end(pb_user_thread *t, bool child);

#endif
