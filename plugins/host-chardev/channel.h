/*
 * A byte stream over host descriptors: what every type of this plugin is made of.
 *
 * Input is read ahead, up to CHANNEL_PENDING bytes: the filter (a terminal's command key) sees every byte at once, even
 * when the guest does not read; only then the channel stops reading until the guest takes some. A filter that wants
 * to see commands whatever happens sets `greedy`: then what the guest does not take is dropped instead.
 *
 * Output is buffered: what the descriptor does not take at once is written from the main loop. When
 * the buffer is full, writing waits for the descriptor: a guest that prints faster than the
 * terminal shows is slowed down, and costs no memory.
 */
#ifndef HOST_CHARDEV_CHANNEL_H
#define HOST_CHARDEV_CHANNEL_H

#include <patchbay/object.h>

#define CHANNEL_BUFFER  (64 * 1024)
#define CHANNEL_PENDING 4096

typedef struct channel channel;

struct channel {
    pb_object *object;
    const pb_main_loop_ops *loop;
    int in, out; /* -1: none; may be the same */
    pb_watch *watch_in, *watch_out;
    const pb_link *client;
    /* Input goes here before the client sees it: returns how many of the bytes are left in place for
     * the client. May be null. */
    uint32_t (*filter)(void *owner, uint8_t *bytes, uint32_t length);
    /* The input ended or failed. May be null. */
    void (*ended)(void *owner);
    void *owner;
    bool greedy;
    uint8_t pending[CHANNEL_PENDING]; /* input that the client has not taken */
    uint32_t n_pending;
    uint8_t buffer[CHANNEL_BUFFER];
    uint32_t first, used; /* of the buffer, a ring */
};

/* Prepare without descriptors. False with the error set if the host has no main loop. */
bool channel_init(channel *c, pb_object *object, void *owner, pb_error *error);

/* Start using descriptors (either may be -1). */
void channel_open(channel *c, int in, int out);

/* Write out what is left, for at most a second, stop watching and close nothing. */
void channel_stop(channel *c);

void channel_write(channel *c, const uint8_t *bytes, uint32_t length);

/* The client can receive again. */
void channel_resume(channel *c);

/* Hand bytes to a client that can receive them. */
void channel_deliver(const pb_link *client, const uint8_t *bytes, uint32_t length);
void channel_event(const pb_link *client, uint32_t event);

#endif
