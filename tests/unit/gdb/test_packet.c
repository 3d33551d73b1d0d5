/*
 * Bytes to packets and back: core/gdb/packet.c.
 */
#include "../runner.h"

#include <core/gdb/internal.h>

/* What comes of bytes: a letter for each that is more than a part, packets in brackets. */
static void expect(const char *bytes, gsize length, bool check, const char *expected)
{
    gdb_reader reader = { .packet = g_string_new(NULL) };
    g_autoptr(GString) got = g_string_new(NULL);

    for (gsize i = 0; i < length; i++) {
        switch (gdb_read_byte(&reader, check, (uint8_t)bytes[i])) {
        case GDB_READ_PACKET:
            g_string_append_c(got, '[');
            g_string_append_len(got, reader.packet->str, (gssize)reader.packet->len);
            g_string_append_c(got, ']');
            break;
        case GDB_READ_WRONG:
            g_string_append_c(got, 'W');
            break;
        case GDB_READ_INTERRUPT:
            g_string_append_c(got, 'I');
            break;
        case GDB_READ_NAK:
            g_string_append_c(got, 'N');
            break;
        default:
            break;
        }
    }
    CU_ASSERT_STRING_EQUAL(got->str, expected);
    g_string_free(reader.packet, TRUE);
}

#define EXPECT(bytes, check, expected) expect(bytes, sizeof(bytes) - 1, check, expected)

static void packets(void)
{
    EXPECT("$qC#b4", true, "[qC]");
    EXPECT("$qC#B4", true, "[qC]");
    EXPECT("$#00$#00", true, "[][]");
    EXPECT("+++$qC#b4+$?#3f", true, "[qC][?]");
    EXPECT("$qC#b5", true, "W");
    EXPECT("$qC#b5", false, "[qC]");
    EXPECT("$qC#zz$qC#b4", true, "W[qC]");
    EXPECT("$qC#bz$qC#b4", true, "W[qC]");
    EXPECT("$begun$qC#b4", true, "[qC]");
    EXPECT("garbage", true, "");
}

static void outside_of_packets(void)
{
    EXPECT("\3", true, "I");
    EXPECT("-\3-", true, "NIN");
    EXPECT("$X\3-#88", true, "[X\3-]");
}

static void escapes(void)
{
    /* } and the byte with bit 5 turned around, both in the sum */
    EXPECT("$X}\x03}\x04}]}\x0a#ba", true, "[X#$}*]");
    EXPECT("$}#00", true, "W");
}

static void too_long(void)
{
    gdb_reader reader = { .packet = g_string_new(NULL) };
    g_autoptr(GString) bytes = g_string_new("$");
    gdb_read last = GDB_READ_MORE;

    for (uint32_t i = 0; i < GDB_PACKET; i++)
        g_string_append_c(bytes, 'm');
    g_string_append(bytes, "#00");
    for (gsize i = 0; i < bytes->len; i++)
        last = gdb_read_byte(&reader, false, (uint8_t)bytes->str[i]);
    CU_ASSERT_EQUAL(last, GDB_READ_PACKET);
    g_string_insert_c(bytes, 1, 'm');
    for (gsize i = 0; i < bytes->len; i++)
        last = gdb_read_byte(&reader, false, (uint8_t)bytes->str[i]);
    CU_ASSERT_EQUAL(last, GDB_READ_WRONG);
    g_string_free(reader.packet, TRUE);
}

/* Every byte, framed and read again. */
static void there_and_back(void)
{
    gdb_reader reader = { .packet = g_string_new(NULL) };
    g_autoptr(GString) framed = g_string_new(NULL);
    gdb_read last = GDB_READ_MORE;
    char all[256];

    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    gdb_frame(framed, all, sizeof(all));
    CU_ASSERT_EQUAL(framed->len, 256 + 4 + 4);
    for (gsize i = 0; i < framed->len; i++)
        last = gdb_read_byte(&reader, true, (uint8_t)framed->str[i]);
    CU_ASSERT_EQUAL(last, GDB_READ_PACKET);
    CU_ASSERT_EQUAL(reader.packet->len, sizeof(all));
    CU_ASSERT_EQUAL(memcmp(reader.packet->str, all, sizeof(all)), 0);
    g_string_free(reader.packet, TRUE);
}

static void numbers(void)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    const char *text = "fFf,rest";
    uint64_t n;

    CU_ASSERT_TRUE(gdb_parse_number_to(&text, ',', &n));
    CU_ASSERT_EQUAL(n, 0xfff);
    CU_ASSERT_STRING_EQUAL(text, "rest");
    CU_ASSERT_FALSE(gdb_parse_number(&text, &n));
    text = "ffffffffffffffff";
    CU_ASSERT_TRUE(gdb_parse_number(&text, &n));
    CU_ASSERT_EQUAL(n, UINT64_MAX);
    text = "10000000000000000";
    CU_ASSERT_FALSE(gdb_parse_number(&text, &n));
    CU_ASSERT_TRUE(gdb_parse_hex("00fFa1", 6, bytes));
    CU_ASSERT_EQUAL(bytes->len, 3);
    CU_ASSERT_EQUAL(memcmp(bytes->str, "\0\xff\xa1", 3), 0);
    CU_ASSERT_FALSE(gdb_parse_hex("0", 1, bytes));
    CU_ASSERT_FALSE(gdb_parse_hex("0g", 2, bytes));
}

int main(void)
{
    static const unit_case cases[] = {
        { "packets", packets },
        { "outside of packets", outside_of_packets },
        { "escapes", escapes },
        { "too long", too_long },
        { "there and back", there_and_back },
        { "numbers", numbers },
        { 0 },
    };

    return unit_run("gdb: packets", cases);
}
