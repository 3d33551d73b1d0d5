/*
 * Input on its way to a client that does not take it at once.
 */
#ifndef HOST_CHARDEV_INBOX_H
#define HOST_CHARDEV_INBOX_H

#include <patchbay/port.h>

#define INBOX_ITEMS 4096

typedef struct inbox {
    const pb_link *client;       /* null: nobody is connected, and input is dropped */
    uint16_t items[INBOX_ITEMS]; /* a ring of bytes and breaks */
    uint32_t first, used;
    bool feeding;
} inbox;

uint32_t inbox_room(const inbox *box);

/* Keep bytes or a break for the client; what there is no room for is dropped. */
void inbox_put(inbox *box, const uint8_t *bytes, uint32_t length);
void inbox_break(inbox *box);

/* Hand over as much as the client takes. It may resume() while it receives, which changes nothing:
 * each byte leaves the box before the client sees it, and only the outermost call goes on.
 * [device] */
void inbox_feed(inbox *box);

/* Tell a client, if there is one and it wants to know. [device] */
void client_event(const pb_link *client, uint32_t event);
void client_ready(const pb_link *client);

#endif
