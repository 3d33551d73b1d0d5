/* A core file of a program that a signal ends. */
#ifndef CORE_USER_CORE_H
#define CORE_USER_CORE_H

#include <core/user/internal.h>

/* Whether the signal's default is a core file. */
bool pb_user_core_signal(int signal);
/* Write the program's state, with this thread, whom the signal ends, first. Other threads stand still for it. False: not
 * permitted, or not possible. */
bool pb_user_core_write(pb_user_thread *t, const siginfo_t *info);
/* The process is about to end: the host writes no core file of the emulator, and parents that this emulator runs can find out whether one
 * of the program was written. */
void pb_user_core_leave(bool written);
/* Whether that was so, of a child that has ended by this signal, and that nobody has waited for yet. */
bool pb_user_core_left(pid_t pid, int signal);

#endif
