/* A core file of a program that a signal ends. */
#ifndef CORE_USER_CORE_H
#define CORE_USER_CORE_H

#include <core/user/internal.h>

/* Whether the signal's default is a core file. */
bool pb_user_core_signal(int signal);
/* Write the program's state, with this thread, whom the signal ends, first. Other threads stand still for it. False: not
 * permitted, or not possible. */
bool pb_user_core_write(pb_user_thread *t, const siginfo_t *info);

#endif
