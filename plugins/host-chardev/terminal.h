/*
 * Raw mode of the terminal that the command runs in, and its end.
 *
 * The settings from before come back however the process ends:
 * - terminal_restore() at an ordinary end;
 * - by the guard otherwise: a child process, which does nothing but wait until the other end of a
 *   socket closes, which only we hold. It has a session of its own, so that no signal of the
 *   terminal reaches it;
 * - while we are stopped (SIGTSTP; the shell does it after SIGSTOP), and raw mode comes back with
 *   SIGCONT.
 * Settings that are not raw any more are left alone: somebody else has the terminal, a shell for
 * example.
 */
#ifndef HOST_CHARDEV_TERMINAL_H
#define HOST_CHARDEV_TERMINAL_H

#include <patchbay/base.h>

/* Every key goes to the guest: no echo, no lines, no signals. `fd` is a terminal, and stays the
 * caller's. Once a process until restored. [setup] */
bool terminal_make_raw(int fd, pb_error *error);

/* Does nothing if the terminal was not made raw. [setup] */
void terminal_restore(void);

#endif
