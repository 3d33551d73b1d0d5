/*
 * Raw mode of the terminal, and its end: see terminal.h.
 *
 * The state is the process's, as the terminal and the signal handlers are.
 */
#include "terminal.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static struct {
    int fd;
    struct termios saved, raw;
    pid_t guard;   /* 0: the terminal is not raw */
    int guard_end; /* of a pair of sockets; that it closes with us is what tells the guard */
    struct sigaction stop_before, continue_before;
} terminal;

/* ---- settings -------------------------------------------------------------------------------- */

#define LOCAL_FLAGS ((tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN))

static struct termios raw_of(const struct termios *saved)
{
    struct termios raw = *saved;

    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST; /* messages have plain newlines; a guest's CR LF looks as it should */
    raw.c_lflag &= ~LOCAL_FLAGS;
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    return raw;
}

/* Back to the saved settings, if the present ones are still raw. TCSANOW: waiting for a terminal to
 * show what was written to it could take for ever. */
static void put_back(int fd, const struct termios *saved)
{
    struct termios now;

    if (tcgetattr(fd, &now) == 0 && !(now.c_lflag & LOCAL_FLAGS))
        tcsetattr(fd, TCSANOW, saved);
}

/* Setting the terminal from the background would stop us. */
static bool in_foreground(void)
{
    pid_t group = tcgetpgrp(terminal.fd);

    return group < 0 || group == getpgrp(); /* below 0: not the terminal of our session */
}

/* ---- signals --------------------------------------------------------------------------------- */

static void stop(int number)
{
    int error = errno;

    if (in_foreground())
        put_back(terminal.fd, &terminal.saved);
    kill(getpid(), SIGSTOP);
    errno = error;
}

static void go_on(int number)
{
    int error = errno;

    if (in_foreground())
        tcsetattr(terminal.fd, TCSANOW, &terminal.raw);
    errno = error;
}

static void handle_signals(void)
{
    struct sigaction action = { .sa_flags = SA_RESTART };

    sigemptyset(&action.sa_mask);
    sigaction(SIGTSTP, NULL, &terminal.stop_before);
    action.sa_handler = terminal.stop_before.sa_handler == SIG_IGN ? SIG_IGN : stop;
    sigaction(SIGTSTP, &action, NULL);
    action.sa_handler = go_on;
    sigaction(SIGCONT, &action, &terminal.continue_before);
}

/* ---- the guard ------------------------------------------------------------------------------- */

/* The child: nothing of ours but its socket and the terminal stays open in it. It may only call
 * what is safe in the child of a process with threads. */
static _Noreturn void guard_main(int end)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t none;
    char byte;

    sigemptyset(&ignore.sa_mask);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &ignore, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    prctl(PR_SET_NAME, "patchbay-tty"); /* so that killall patchbay does not mean it */
    dup2(terminal.fd, 0);
    dup2(end, 1);
    if (close_range(2, ~0u, 0) < 0)
        for (int fd = (int)sysconf(_SC_OPEN_MAX); fd >= 2; fd--)
            close(fd);
    if (write(1, "r", 1) == 1) /* ready: nothing but SIGKILL to it alone stops it now */
        while (read(1, &byte, 1) < 0 && errno == EINTR)
            ;
    put_back(0, &terminal.saved);
    _exit(0);
}

static void end_guard(void)
{
    if (terminal.guard > 0) {
        kill(terminal.guard, SIGKILL); /* its work is done, or it was stopped */
        while (waitpid(terminal.guard, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(terminal.guard_end);
    terminal.guard = 0;
}

static bool start_guard(pb_error *error)
{
    int ends[2];
    char byte;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return pb_fail(error, "cannot make a socket: %s", strerror(errno));
    terminal.guard = fork();
    if (terminal.guard == 0)
        guard_main(ends[0]);
    close(ends[0]);
    terminal.guard_end = ends[1];
    if (terminal.guard > 0 && recv(ends[1], &byte, 1, 0) == 1)
        return true;
    pb_fail(error, "cannot start the process that restores the terminal: %s",
            terminal.guard < 0 ? strerror(errno) : "it ended");
    end_guard();
    return false;
}

/* ---- in and out ------------------------------------------------------------------------------ */

bool terminal_make_raw(int fd, pb_error *error)
{
    terminal.fd = fd;
    if (tcgetattr(fd, &terminal.saved) < 0)
        return pb_fail(error, "cannot get the settings of the terminal: %s", strerror(errno));
    terminal.raw = raw_of(&terminal.saved);
    if (!start_guard(error))
        return false;
    handle_signals();
    if (tcsetattr(fd, TCSANOW, &terminal.raw) == 0)
        return true;
    pb_fail(error, "cannot put the terminal into raw mode: %s", strerror(errno));
    terminal_restore();
    return false;
}

void terminal_restore(void)
{
    sigset_t output, before;

    if (!terminal.guard)
        return;
    sigaction(SIGTSTP, &terminal.stop_before, NULL);
    sigaction(SIGCONT, &terminal.continue_before, NULL);
    sigemptyset(&output);
    sigaddset(&output, SIGTTOU); /* blocked, it does not stop us in the background */
    pthread_sigmask(SIG_BLOCK, &output, &before);
    put_back(terminal.fd, &terminal.saved);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    end_guard();
}
