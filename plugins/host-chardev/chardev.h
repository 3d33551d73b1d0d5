/*
 * The types of this plugin.
 */
#ifndef HOST_CHARDEV_H
#define HOST_CHARDEV_H

#include "channel.h"

#include <fcntl.h>

extern const pb_class stdio_class, file_class, pty_class, tcp_class, unix_class, random_class,
    null_class;

#endif
