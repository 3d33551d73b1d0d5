/*
 * What plugins/loader-linux makes of files that are or are not kernels. RAM is 16 MiB at 0x40000000 unless a test has
 * another; files are cut out of memory exactly, so that a sanitizer sees reads behind their end.
 */
#include <plugins/loader-linux/image.h>

#include <elf.h>
#include <glib.h>
#include <stdlib.h>
#include <zlib.h>

#include "../runner.h"

#define RAM       UINT64_C(0x40000000)
#define RAM_BYTES (UINT64_C(16) << 20)
#define MIB       UINT64_C(0x100000)

static const image_options usual = { RAM, RAM_BYTES, UINT64_MAX };

static image im;
static GByteArray *examined; /* keeps the bytes that segments point to */
static char said[1024];

static void forget(void)
{
    free(im.inflated);
    memset(&im, 0, sizeof(im));
    if (examined)
        g_byte_array_unref(examined);
    examined = NULL;
}

/* The bytes in memory of just that size. */
static bool examine(const void *bytes, size_t length, const image_options *o)
{
    pb_error error = PB_ERROR_INIT;
    uint8_t *exact = malloc(length);
    bool ok;

    forget();
    memcpy(exact, bytes, length);
    ok = image_examine(&im, exact, length, "vmlinux", o, &error);
    g_strlcpy(said, error.text, sizeof(said));
    if (ok) { /* segments may point into it */
        examined = g_byte_array_new_take(exact, length);
    } else {
        free(exact);
    }
    return ok;
}

static void refused_by(const void *bytes, size_t length, const image_options *o, const char *text)
{
    CU_ASSERT_FALSE(examine(bytes, length, o));
    if (strcmp(said, text) != 0)
        printf("\n'%s' is another text\n", said);
    CU_ASSERT_STRING_EQUAL(said, text);
}

static void refused(const void *bytes, size_t length, const char *text)
{
    refused_by(bytes, length, &usual, text);
}

/* ---- arm64 Image -------------------------------------------------------------------------------------------------- */

typedef struct arm64_file {
    uint32_t code[2];
    uint64_t text_offset, image_size, flags, reserved[3];
    uint32_t magic, pe;
    uint8_t body[512];
} arm64_file;

static arm64_file arm64(void)
{
    arm64_file f = { .code = { 0x14000010 }, .image_size = 4096, .magic = 0x644d5241 };

    return f;
}

/* With an EFI stub: PE header at 64, one section of the file's last 256 bytes. */
static arm64_file arm64_pe(void)
{
    arm64_file f = arm64();
    uint32_t section[2] = { 256, sizeof(f) - 256 };

    f.code[0] = 0xfa405a4d; /* "MZ", an instruction that does nothing */
    f.pe = 64;
    memcpy(f.body, "PE\0\0\x64\xaa\1\0", 8);
    f.body[20] = 16; /* of optional header */
    memcpy(f.body + 24 + 16 + 16, section, sizeof(section));
    return f;
}

static void images(void)
{
    arm64_file f = arm64();

    f.text_offset = 0x80000;
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.entry, RAM + 0x80000);
    CU_ASSERT_EQUAL(im.n_segments, 1);
    CU_ASSERT_EQUAL(im.segments[0].gpa, RAM + 0x80000);
    CU_ASSERT_EQUAL(im.segments[0].file_bytes, sizeof(f));
    CU_ASSERT_EQUAL(im.segments[0].memory_bytes, 4096);
    f.text_offset = 0;
    f.image_size = 0; /* before 3.17 */
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.entry, RAM + 0x80000);
    CU_ASSERT_EQUAL(im.segments[0].memory_bytes, sizeof(f));
    f = arm64_pe();
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT(examine(&f, sizeof(f), &(image_options){ RAM + 4096, RAM_BYTES, UINT64_MAX }));
    CU_ASSERT_EQUAL(im.entry, RAM + 2 * MIB);
    forget();
}

static void wrong_images(void)
{
    arm64_file f = arm64();

    f.flags = 1;
    refused(&f, sizeof(f), "vmlinux is a big-endian kernel, which this loader does not start");
    f = arm64();
    f.image_size = 100;
    refused(&f, sizeof(f), "vmlinux is damaged: its header promises 100 bytes, the file has 576");
    f.image_size = RAM_BYTES + 1;
    refused(&f, sizeof(f),
            "vmlinux needs 0x1000001 bytes at 0x40000000, but RAM is 0x1000000 bytes "
            "at 0x40000000");
    f.image_size = UINT64_MAX;
    refused(&f, sizeof(f),
            "vmlinux needs 0xffffffffffffffff bytes at 0x40000000, but RAM is "
            "0x1000000 bytes at 0x40000000");
    f = arm64();
    f.text_offset = UINT64_MAX - 4095;
    refused(&f, sizeof(f),
            "vmlinux needs 0x1000 bytes at 0x3ffff000, but RAM is 0x1000000 bytes at "
            "0x40000000");
}

/* Cut anywhere behind its magic number, a kernel with a PE header is known to be cut. */
static void truncated_images(void)
{
    arm64_file f = arm64_pe();

    refused(&f, 64, "vmlinux is truncated: its header promises 88 bytes, the file has 64");
    refused(&f, 100, "vmlinux is truncated: its header promises 144 bytes, the file has 100");
    for (size_t length = 64; length < sizeof(f); length++) {
        CU_ASSERT_FALSE(examine(&f, length, &usual));
        CU_ASSERT(g_str_has_prefix(said, "vmlinux is truncated: its header promises"));
    }
    refused(&f, sizeof(f) - 1,
            "vmlinux is truncated: its header promises 576 bytes, the file has 575");
    f.pe = UINT32_MAX;
    refused(&f, sizeof(f),
            "vmlinux is truncated: its header promises 4294967319 bytes, the file has 576");
    for (size_t length = 1; length < 64; length++) {
        CU_ASSERT_FALSE(examine(&f, length, &usual));
        CU_ASSERT(g_str_has_prefix(said, "vmlinux is not a kernel"));
    }
}

/* ---- ELF ---------------------------------------------------------------------------------------------------------- */

#define SEGMENTS 20

typedef struct elf_file {
    Elf64_Ehdr h;
    Elf64_Phdr p[SEGMENTS];
    uint8_t body[256];
} elf_file;

static elf_file elf(uint16_t segments)
{
    elf_file f = { .h = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
                          .e_type = ET_EXEC,
                          .e_machine = EM_AARCH64,
                          .e_version = 1,
                          .e_entry = RAM,
                          .e_phoff = sizeof(Elf64_Ehdr),
                          .e_phentsize = sizeof(Elf64_Phdr),
                          .e_phnum = segments } };

    for (unsigned i = 0; i < SEGMENTS; i++)
        f.p[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
                               .p_offset = offsetof(elf_file, body),
                               .p_vaddr = RAM + i * 4096,
                               .p_paddr = RAM + i * 4096,
                               .p_filesz = 256,
                               .p_memsz = 4096 };
    return f;
}

static void programs(void)
{
    elf_file f = elf(2);

    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.entry, RAM);
    CU_ASSERT_EQUAL(im.n_segments, 2);
    CU_ASSERT_EQUAL(im.segments[1].gpa, RAM + 4096);
    CU_ASSERT_EQUAL(im.segments[1].bytes, examined->data + offsetof(elf_file, body));
    CU_ASSERT_EQUAL(im.segments[1].memory_bytes, 4096);
    f.p[0].p_type = PT_NOTE;
    f.p[0].p_memsz = UINT64_MAX;
    f.h.e_entry = RAM + 8192 - 4;
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.n_segments, 1);
    CU_ASSERT_EQUAL(im.entry, RAM + 8192 - 4);
    forget();
}

static void entries(void)
{
    elf_file f = elf(2);

    f.p[0].p_vaddr = UINT64_C(0xffffff8000080000); /* virtual: found there */
    f.p[1].p_vaddr = UINT64_C(0xffffff8000081000);
    f.h.e_entry = UINT64_C(0xffffff8000081010);
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.entry, RAM + 0x1010);
    f.h.e_entry = RAM + 0x20; /* physical, which some linkers say */
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    CU_ASSERT_EQUAL(im.entry, RAM + 0x20);
    f.h.e_entry = RAM + 8192;
    refused(&f, sizeof(f), "vmlinux: the entry point 0x40002000 lies in no segment that is loaded");
    f.h.e_entry = 0;
    refused(&f, sizeof(f), "vmlinux: the entry point 0 lies in no segment that is loaded");
    f.h.e_entry = RAM + 2;
    refused(&f, sizeof(f), "vmlinux: the entry point 0x40000002 is not a multiple of 4");
}

static void other_processors(void)
{
    elf_file f = elf(1);
    Elf32_Ehdr *narrow = (Elf32_Ehdr *)&f;

    f.h.e_machine = EM_X86_64;
    refused(&f, sizeof(f),
            "vmlinux is an ELF file (64-bit, little-endian, x86-64), but not for "
            "little-endian AArch64");
    f.h.e_machine = 0xfffe;
    refused(&f, sizeof(f),
            "vmlinux is an ELF file (64-bit, little-endian, another processor), but "
            "not for little-endian AArch64");
    f.h.e_ident[EI_DATA] = ELFDATA2MSB;
    f.h.e_machine = GUINT16_TO_BE(EM_AARCH64);
    refused(&f, sizeof(f),
            "vmlinux is an ELF file (64-bit, big-endian, AArch64), but not for "
            "little-endian AArch64");
    f.h.e_ident[EI_CLASS] = ELFCLASS32;
    f.h.e_machine = GUINT16_TO_BE(EM_PPC);
    refused(&f, sizeof(*narrow),
            "vmlinux is an ELF file (32-bit, big-endian, PowerPC), but not for "
            "little-endian AArch64");
    f.h.e_ident[EI_DATA] = ELFDATA2LSB;
    narrow->e_machine = EM_ARM;
    refused(&f, sizeof(*narrow),
            "vmlinux is an ELF file (32-bit, little-endian, 32-bit Arm), but "
            "not for little-endian AArch64");
}

static void wrong_programs(void)
{
    elf_file f = elf(2);

    f.h.e_type = ET_REL;
    refused(&f, sizeof(f), "vmlinux is an ELF file, but not an executable");
    f = elf(0);
    refused(&f, sizeof(f), "vmlinux has nothing to load");
    f = elf(1);
    f.p[0].p_memsz = f.p[0].p_filesz = 0;
    refused(&f, sizeof(f), "vmlinux has nothing to load");
    f = elf(1);
    f.h.e_phentsize = 32;
    refused(&f, sizeof(f), "vmlinux: program headers have 32 bytes instead of 56");
    f = elf(1);
    f.h.e_phoff = UINT64_MAX;
    refused(&f, sizeof(f), "vmlinux: the program headers lie outside the file: truncated?");
    f = elf(UINT16_MAX);
    refused(&f, sizeof(f), "vmlinux: the program headers lie outside the file: truncated?");
    f = elf(2);
    f.p[1].p_offset = sizeof(f) - 255;
    refused(&f, sizeof(f), "vmlinux: segment 1 lies outside the file: truncated?");
    f.p[1].p_offset = UINT64_MAX;
    refused(&f, sizeof(f), "vmlinux: segment 1 lies outside the file: truncated?");
    f = elf(1);
    f.p[0].p_memsz = 255;
    refused(&f, sizeof(f), "vmlinux: segment 0 has 256 bytes, and memory for 255");
    f.p[0].p_memsz = UINT64_MAX;
    refused(&f, sizeof(f),
            "vmlinux needs 0xffffffffffffffff bytes at 0x40000000, but RAM is "
            "0x1000000 bytes at 0x40000000");
    f = elf(1);
    f.p[0].p_paddr = UINT64_MAX - 4095;
    refused(&f, sizeof(f),
            "vmlinux needs 0x1000 bytes at 0xfffffffffffff000, but RAM is 0x1000000 "
            "bytes at 0x40000000");
    f.p[0].p_paddr = RAM + RAM_BYTES - 4095;
    refused(&f, sizeof(f),
            "vmlinux needs 0x1000 bytes at 0x40fff001, but RAM is 0x1000000 bytes at "
            "0x40000000");
    f = elf(2);
    f.p[1].p_paddr = RAM + 4095;
    refused(&f, sizeof(f), "vmlinux: segments at 0x40000000 and 0x40000fff overlap");
    f = elf(17);
    refused(&f, sizeof(f), "vmlinux has more than 16 segments to load");
    f = elf(16);
    CU_ASSERT(examine(&f, sizeof(f), &usual));
    forget();
}

static void truncated_programs(void)
{
    elf_file f = elf(2);

    refused(&f, 19, "vmlinux: the ELF header is truncated");
    refused(&f, 20, "vmlinux: the ELF header is truncated");
    for (size_t length = 4; length < sizeof(f); length++) {
        CU_ASSERT_FALSE(examine(&f, length, &usual));
        CU_ASSERT_PTR_NOT_NULL(strstr(said, "truncated"));
    }
}

/* ---- gzip --------------------------------------------------------------------------------------------------------- */

static void pack(GByteArray *to, const void *bytes, size_t length)
{
    z_stream z = { .next_in = (uint8_t *)bytes, .avail_in = (uInt)length };
    guint at = to->len;

    CU_ASSERT_EQUAL_FATAL(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY),
                          Z_OK);
    g_byte_array_set_size(to, at + (guint)deflateBound(&z, length));
    z.next_out = to->data + at;
    z.avail_out = to->len - at;
    CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
    g_byte_array_set_size(to, at + (guint)z.total_out);
    deflateEnd(&z);
}

static void refused_packed(const GByteArray *file, const char *text)
{
    refused(file->data, file->len, text);
}

static void packed(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    arm64_file f = arm64_pe();
    elf_file program = elf(1);

    pack(file, &f, sizeof(f));
    CU_ASSERT(examine(file->data, file->len, &usual));
    CU_ASSERT_EQUAL(im.segments[0].file_bytes, sizeof(f));
    CU_ASSERT_EQUAL(memcmp(im.segments[0].bytes, &f, sizeof(f)), 0);
    g_byte_array_set_size(file, 0);
    pack(file, &program, sizeof(program));
    CU_ASSERT(examine(file->data, file->len, &usual));
    forget();
}

/* What `cat a.gz b.gz` makes is one file (RFC 1952, 2.2). */
static void members(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    arm64_file f = arm64_pe();

    pack(file, &f, 10);
    pack(file, "", 0);
    pack(file, (uint8_t *)&f + 10, 300);
    pack(file, (uint8_t *)&f + 310, sizeof(f) - 310);
    CU_ASSERT(examine(file->data, file->len, &usual));
    CU_ASSERT_EQUAL(im.segments[0].file_bytes, sizeof(f));
    CU_ASSERT_EQUAL(memcmp(im.segments[0].bytes, &f, sizeof(f)), 0);
    g_byte_array_append(file, (const uint8_t[1000]){ 0 }, 1000); /* of a tape's block */
    CU_ASSERT(examine(file->data, file->len, &usual));
    g_byte_array_append(file, (const uint8_t *)"x", 1);
    refused_packed(file, "vmlinux: 1001 bytes follow the compressed data, which are not gzip");
    forget();
}

static void damaged_files(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    arm64_file f = arm64_pe();
    guint length;

    pack(file, &f, sizeof(f));
    length = file->len;
    for (guint cut = 2; cut < length; cut++) {
        file->len = cut;
        refused_packed(file, "vmlinux: the compressed data is truncated");
    }
    file->len = length;
    file->data[length - 8] ^= 1; /* the checksum */
    refused_packed(file, "vmlinux: the compressed data is damaged");
    file->data[length - 8] ^= 1;
    file->data[2] = 7; /* the method */
    refused_packed(file, "vmlinux: the compressed data is damaged");
    g_byte_array_set_size(file, 0);
    pack(file, "", 0);
    refused_packed(file, "vmlinux: decompressed it is empty");
    g_byte_array_set_size(file, 0);
    pack(file, "text", 4);
    refused_packed(file,
                   "vmlinux is not a kernel: expected an arm64 Image, an ELF file for AArch64, "
                   "or a gzip of one (a raw image needs raw-address)");
}

/* A file that becomes larger than RAM is given up there; one that is as large as RAM is not. */
static void bombs(void)
{
    static uint8_t zeros[4 << 20];
    g_autoptr(GByteArray) file = g_byte_array_new();
    const image_options raw = { RAM, sizeof(zeros), RAM };

    pack(file, zeros, sizeof(zeros));
    CU_ASSERT(file->len < 8192);
    CU_ASSERT(examine(file->data, file->len, &raw));
    CU_ASSERT_EQUAL(im.segments[0].file_bytes, sizeof(zeros));
    pack(file, "x", 1);
    refused_by(file->data, file->len, &raw,
               "vmlinux: decompressed it is larger than RAM (0x400000 bytes)");
    for (int i = 0; i < 100; i++)
        pack(file, zeros, sizeof(zeros));
    refused_by(file->data, file->len, &raw,
               "vmlinux: decompressed it is larger than RAM (0x400000 bytes)");
    forget();
}

/* ---- others ------------------------------------------------------------------------------------------------------- */

static void raw_images(void)
{
    const image_options at_ram = { RAM, RAM_BYTES, RAM + 0x1000 };
    const image_options nowhere = { RAM, RAM_BYTES, 0x1000 };
    const image_options behind = { RAM, RAM_BYTES, RAM + RAM_BYTES - 4 };
    const image_options odd = { RAM, RAM_BYTES, RAM + 2 };

    CU_ASSERT(examine("MZ any bytes", 12, &at_ram));
    CU_ASSERT_EQUAL(im.entry, RAM + 0x1000);
    CU_ASSERT_EQUAL(im.segments[0].gpa, RAM + 0x1000);
    CU_ASSERT_EQUAL(im.segments[0].memory_bytes, 12);
    refused_by("any bytes", 9, &nowhere,
               "vmlinux needs 0x9 bytes at 0x1000, but RAM is 0x1000000 bytes at 0x40000000");
    refused_by("any bytes", 9, &behind,
               "vmlinux needs 0x9 bytes at 0x40fffffc, but RAM is 0x1000000 bytes at 0x40000000");
    refused_by("any bytes", 9, &odd, "raw-address 0x40000002 is not a multiple of 4");
    refused_by("", 0, &at_ram, "vmlinux is empty");
    forget();
}

static void foreign_files(void)
{
    static const struct {
        unsigned offset, bytes;
        const char *magic, *name;
    } files[] = {
        { 0x202, 4, "HdrS", "an x86 kernel (bzImage)" },
        { 0x24, 4, "\x18\x28\x6f\x01", "a 32-bit Arm kernel (zImage)" },
        { 0x38, 4, "RSC\x05", "a RISC-V kernel (Image)" },
        { 0x38, 4, "\xcd\x23\x82\x81", "a LoongArch kernel (Image)" },
        { 4, 4, "zimg", "an EFI zboot image, which only EFI firmware unpacks" },
        { 0, 4, "\x27\x05\x19\x56", "a U-Boot image (uImage)" },
        { 0, 4, "\xd0\x0d\xfe\xed", "a device tree or a FIT image" },
        { 0, 8, "ANDROID!", "an Android boot image" },
        { 0, 6, "070701", "a cpio archive, perhaps an initial RAM disk" },
        { 0, 4, "QFI\xfb", "a qcow2 disk image" },
        { 0, 5, "\xfd\x37zXZ", "a file compressed with xz" },
        { 0, 4, "\x28\xb5\x2f\xfd", "a file compressed with zstd" },
        { 0, 4, "\x04\x22\x4d\x18", "a file compressed with lz4" },
        { 0, 4, "\x02\x21\x4c\x18", "a file compressed with lz4" },
        { 0, 4, "\x89LZO", "a file compressed with lzop" },
        { 0, 3, "BZh", "a file compressed with bzip2" },
        { 0, 3, "\x5d\0\0", "a file compressed with lzma" },
        { 0, 8, "!<arch>\n", "an archive of object files, or a Debian package" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text =
            g_strdup_printf("vmlinux is %s: expected an arm64 Image, an ELF file for AArch64, or a "
                            "gzip of one",
                            files[i].name);
        uint8_t bytes[1024] = { 'M', 'Z' };

        memcpy(bytes + files[i].offset, files[i].magic, files[i].bytes);
        refused(bytes, files[i].offset + files[i].bytes, text);
        refused(bytes, sizeof(bytes), text);
        CU_ASSERT_FALSE(examine(bytes, files[i].offset + files[i].bytes - 1, &usual));
        CU_ASSERT_STRING_NOT_EQUAL(said, text);
    }
}

/* Whatever is in a file, it is refused or fits into RAM. */
static void noise(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);

    for (unsigned round = 0; round < 10000; round++) {
        elf_file program = elf(3);
        arm64_file kernel = arm64_pe();
        uint8_t *bytes = round % 2 ? (uint8_t *)&program : (uint8_t *)&kernel;
        unsigned length = round % 2 ? sizeof(program) : sizeof(kernel);

        for (int n = g_rand_int_range(random, 1, 6); n > 0; n--)
            bytes[g_rand_int_range(random, 0, round % 2 ? 240 : 160)] = (uint8_t)g_rand_int(random);
        if (!examine(bytes, length, &usual))
            continue;
        for (unsigned i = 0; i < im.n_segments; i++) {
            const image_segment *s = &im.segments[i];
            const uint8_t *start = im.inflated ? im.inflated : examined->data;

            CU_ASSERT_FATAL(s->gpa >= RAM && s->gpa - RAM <= RAM_BYTES);
            CU_ASSERT_FATAL(s->memory_bytes <= RAM_BYTES - (s->gpa - RAM));
            CU_ASSERT_FATAL(s->file_bytes <= s->memory_bytes);
            CU_ASSERT_FATAL(s->bytes >= start && s->bytes + s->file_bytes <= start + length);
        }
        CU_ASSERT_FATAL(im.entry >= RAM && im.entry - RAM < RAM_BYTES);
    }
    forget();
}

int main(void)
{
    static const unit_case cases[] = {
        { "arm64 Images", images },
        { "wrong Images", wrong_images },
        { "truncated Images", truncated_images },
        { "ELF programs", programs },
        { "entry points", entries },
        { "ELF files for other processors", other_processors },
        { "wrong ELF files", wrong_programs },
        { "truncated ELF files", truncated_programs },
        { "gzip", packed },
        { "gzip members", members },
        { "damaged gzip files", damaged_files },
        { "gzip bombs", bombs },
        { "raw images", raw_images },
        { "foreign files", foreign_files },
        { "noise", noise },
        { 0 },
    };

    return unit_run("loader-linux: images", cases);
}
