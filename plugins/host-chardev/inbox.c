/*
 * Input on its way to a client: see inbox.h.
 */
#include "inbox.h"

#define BREAK 0x100 /* an item that is no byte */
#define PIECE 1024

static const pb_stream_client_iface *iface_of(const pb_link *client)
{
    return client ? client->iface : NULL;
}

void client_event(const pb_link *client, uint32_t event)
{
    const pb_stream_client_iface *iface = iface_of(client);

    if (iface && iface->event)
        iface->event(client->self, client->index, event);
}

void client_ready(const pb_link *client)
{
    const pb_stream_client_iface *iface = iface_of(client);

    if (iface && PB_HAS(iface, ready) && iface->ready)
        iface->ready(client->self, client->index);
}

uint32_t inbox_room(const inbox *box)
{
    return INBOX_ITEMS - box->used;
}

static void put(inbox *box, uint16_t item)
{
    if (box->client && box->used < INBOX_ITEMS)
        box->items[(box->first + box->used++) % INBOX_ITEMS] = item;
}

void inbox_put(inbox *box, const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        put(box, bytes[i]);
}

void inbox_break(inbox *box)
{
    put(box, BREAK);
}

static uint16_t take(inbox *box)
{
    uint16_t item = box->items[box->first];

    box->first = (box->first + 1) % INBOX_ITEMS;
    box->used--;
    return item;
}

/* A break, or bytes up to the next one; false: the client takes nothing now. */
static bool hand_over(inbox *box)
{
    const pb_link *client = box->client;
    const pb_stream_client_iface *iface = client->iface;
    uint32_t room = iface->can_receive(client->self, client->index), n = 0;
    uint8_t bytes[PIECE];

    if (room == 0)
        return false;
    if (box->items[box->first] == BREAK) {
        take(box);
        client_event(client, PB_STREAM_BREAK);
        return true;
    }
    while (n < room && n < PIECE && box->used && box->items[box->first] != BREAK)
        bytes[n++] = (uint8_t)take(box);
    iface->receive(client->self, client->index, bytes, n);
    return true;
}

void inbox_feed(inbox *box)
{
    if (box->feeding)
        return;
    box->feeding = true;
    while (box->used && hand_over(box))
        ;
    box->feeding = false;
}
