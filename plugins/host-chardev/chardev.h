/*
 * The types of this plugin.
 */
#ifndef HOST_CHARDEV_H
#define HOST_CHARDEV_H

#include "channel.h"

#include <fcntl.h>

extern const pb_class stdio_class, file_class, pty_class, tcp_class, unix_class, random_class,
    null_class;

/* The rest of a row of the property `patience`, which is the same for all. */
#define CHANNEL_PATIENCE                                                                  \
    .max = 3600000,                                                                       \
    .doc = "Milliseconds that output waits for a reader who takes nothing, before it is " \
           "dropped; 0: for ever"

#endif
