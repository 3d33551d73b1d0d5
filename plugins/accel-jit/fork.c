/*
 * fork(): the parent goes on as before. The child has a copy of the translation cache at the same addresses, so all that points into
 * it stays right; its threads it makes when it has executed for a while, because most children soon execute another program.
 * Another process with the same memory (vfork) does not make them: they would be its own, and end with it.
 *
 * Left out: what the child translates before that is lost to the parent, who has made its own choice of it. Processes are told apart by
 * number, which is the same by chance in two namespaces.
 */
#include "jit.h"

#include <unistd.h>

/* Stays in emitted code, which are system calls mostly, before a child is worth threads. */
enum { STAYS = 32 };

bool fork_jit(jit *j, uint32_t phase, pb_error *error)
{
    bool ok;

    if (!j->tc)
        return true;
    if (phase == PB_FORK_BEFORE) {
        if (!PB_HAS(j->tc_ops, fork))
            return pb_fail(error, "the host's " PB_EXTENSION_TC " does not know fork()");
        hold_compilers(j);
        pthread_mutex_lock(&j->lock);
        ok = j->tc_ops->fork(j->tc, phase, error);
        if (ok)
            return true;
        phase = PB_FORK_PARENT; /* there is none */
    } else {
        ok = j->tc_ops->fork(j->tc, phase, error);
    }
    if (phase == PB_FORK_PARENT) {
        pthread_mutex_unlock(&j->lock);
        release_compilers(j);
    } else {
        j->process = getpid();
        lose_sampler(j);
        lose_compilers(j);
        /* A loop that compares where it is entered is left by who asks, or never. */
        __atomic_store_n(&j->stays_left,
                         __atomic_load_n(&j->compares, __ATOMIC_RELAXED) ? 1 : STAYS,
                         __ATOMIC_SEQ_CST);
    }
    return ok;
}

void count_stay(jit *j)
{
    if (getpid() != j->process || __atomic_fetch_sub(&j->stays_left, 1, __ATOMIC_SEQ_CST) != 1)
        return;
    make_sampler_again(j);
    make_compilers_again(j);
}
