/*
 * A byte stream over host descriptors: what every type of this plugin that has some is made of.
 *
 * Nothing here waits for the host while the machine runs, but for the last rule:
 * 1. Descriptors do not block. Those that we share with others (standard input and output) are
 *    opened anew for that, because O_NONBLOCK set on a shared one would be seen by the shell, and
 *    outlive us.
 * 2. Input is read into an inbox, as long as that has room.
 * 3. Output goes to the descriptor at once, or into a buffer that the main loop empties. While the
 *    buffer is more than half full the stream is busy: a client that looks waits, and who reads
 *    slowly slows the guest down.
 * 4. When nothing was taken for as long as `patience_ms`, nobody reads: then the stream is not busy
 *    any more, and the buffer keeps the last bytes instead of the first ones, until something is
 *    taken again.
 * 5. Clients that do not look, and all in a deterministic machine, fill the buffer to its end: then
 *    we wait for the descriptor, and go on by rule 4.
 */
#ifndef HOST_CHARDEV_CHANNEL_H
#define HOST_CHARDEV_CHANNEL_H

#include "inbox.h"

#include <patchbay/object.h>

#define CHANNEL_BUFFER (64 * 1024)

typedef enum channel_way { CHANNEL_PLAIN, CHANNEL_SOCKET, CHANNEL_BLOCKS } channel_way;

typedef struct channel {
    pb_object *object;
    const pb_main_loop_ops *loop;
    bool deterministic;
    void *owner;

    /* Input. */
    int in; /* -1: none */
    channel_way in_way;
    pb_watch *watch_in;
    inbox *inbox; /* where input goes */
    /* Looks at input first, and puts into inboxes what is to go there. May be null. */
    void (*filter)(void *owner, const uint8_t *bytes, uint32_t length);
    bool greedy; /* read on when the inbox is full: the filter has to see everything */
    /* The input ended or failed; the descriptor is not watched any more. May be null. */
    void (*input_ended)(void *owner);

    /* Output. */
    int out; /* -1: none */
    channel_way out_way;
    pb_watch *watch_out;
    bool watching_out;
    const char *name; /* in what the user is told */
    bool peers_leave; /* a failure is nothing to tell the user: the next peer comes */
    uint32_t patience_ms;
    uint8_t buffer[CHANNEL_BUFFER]; /* a ring */
    uint32_t first, used;
    uint64_t taken;      /* bytes that the descriptor took, ever */
    int failure;         /* errno, until the main loop has dealt with it */
    bool backed_up;      /* a client was told that the stream is busy */
    uint64_t impatience; /* the call that looks whether somebody reads; 0: none */
    uint64_t taken_then; /* what was taken when it was set up */
    bool dropping;       /* nobody reads */
    bool said_dropping, said_failure;
    /* The stream is not busy any more. Null: the inbox's client is told. */
    void (*output_ready)(void *owner);
    /* The output failed; the descriptor is not used any more. May be null. */
    void (*output_failed)(void *owner);
} channel;

/* Prepare without descriptors. False with the error set if the host has no main loop. [setup] */
bool channel_init(channel *c, pb_object *object, void *owner, inbox *box, pb_error *error);

/* A descriptor of one's own to what a standard stream leads to, which does not block; mode is
 * O_RDONLY or O_WRONLY. The descriptor itself where there is no need, or no way: see
 * channel_way. */
int channel_reopen(int fd, int mode);

/* Start using a descriptor, which stays the caller's. */
void channel_read_from(channel *c, int fd);
void channel_write_to(channel *c, int fd);

/* Write out what is left, and stop using descriptors: wait for a reader as long as there is
 * patience, but not when the run was ended by a signal, or in haste. */
void channel_finish(channel *c, bool haste);

/* Stop using descriptors at once. Input that the client has not taken stays for it. */
void channel_drop(channel *c);

/* The functions of pb_stream_iface. [device] */
void channel_write(channel *c, const uint8_t *bytes, uint32_t length);
void channel_resume(channel *c);
bool channel_busy(channel *c);

#endif
