/*
 * Programs as ELF files: System V ABI, and ELF for the Arm 64-bit Architecture (AArch64).
 *
 * Segments go to their physical addresses. The entry point is a virtual address, and is looked for there; a linker that puts a
 * physical one into the header of a program with an MMU of its own is understood too.
 */
#include "image.h"

#include <elf.h>

static const struct {
    uint16_t number;
    const char *name;
} machines[] = {
    { EM_386, "x86" },
    { EM_68K, "68000" },
    { EM_MIPS, "MIPS" },
    { EM_PPC, "PowerPC" },
    { EM_PPC64, "64-bit PowerPC" },
    { EM_S390, "S/390" },
    { EM_ARM, "32-bit Arm" },
    { EM_SPARC, "SPARC" },
    { EM_SPARCV9, "64-bit SPARC" },
    { EM_X86_64, "x86-64" },
    { EM_AARCH64, "AArch64" },
    { EM_RISCV, "RISC-V" },
    { EM_LOONGARCH, "LoongArch" },
};

bool image_is_elf(const uint8_t *bytes, uint64_t length)
{
    return length >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG);
}

static bool check_machine(const uint8_t *bytes, const char *path, pb_error *error)
{
    bool big = bytes[EI_DATA] == ELFDATA2MSB, wide = bytes[EI_CLASS] == ELFCLASS64;
    const uint8_t *at = bytes + offsetof(Elf64_Ehdr, e_machine);
    uint16_t number = (uint16_t)(big ? at[0] << 8 | at[1] : at[1] << 8 | at[0]);
    const char *name = "another processor";

    if (wide && !big && number == EM_AARCH64)
        return true;
    for (size_t i = 0; i < PB_ARRAY_SIZE(machines); i++)
        if (machines[i].number == number)
            name = machines[i].name;
    return pb_fail(error,
                   "%s is an ELF file (%d-bit, %s-endian, %s), but not for little-endian AArch64",
                   path, wide ? 64 : 32, big ? "big" : "little", name);
}

static bool read_header(Elf64_Ehdr *header, const uint8_t *bytes, uint64_t length, const char *path,
                        pb_error *error)
{
    if (length < offsetof(Elf64_Ehdr, e_version))
        return pb_fail(error, "%s: the ELF header is truncated", path);
    if (!check_machine(bytes, path, error))
        return false;
    if (length < sizeof(*header))
        return pb_fail(error, "%s: the ELF header is truncated", path);
    memcpy(header, bytes, sizeof(*header));
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
        return pb_fail(error, "%s is an ELF file, but not an executable", path);
    if (header->e_phnum == 0)
        return pb_fail(error, "%s has nothing to load", path);
    if (header->e_phentsize != sizeof(Elf64_Phdr))
        return pb_fail(error, "%s: program headers have %u bytes instead of %zu", path,
                       header->e_phentsize, sizeof(Elf64_Phdr));
    if (header->e_phoff > length ||
        header->e_phnum > (length - header->e_phoff) / sizeof(Elf64_Phdr))
        return pb_fail(error, "%s: the program headers lie outside the file: truncated?", path);
    return true;
}

static Elf64_Phdr read_segment(const Elf64_Ehdr *header, const uint8_t *bytes, uint32_t i)
{
    Elf64_Phdr p;

    memcpy(&p, bytes + header->e_phoff + i * sizeof(p), sizeof(p));
    return p;
}

static bool is_loaded(const Elf64_Phdr *p)
{
    return p->p_type == PT_LOAD && p->p_memsz > 0;
}

static bool add_segments(image *im, const Elf64_Ehdr *header, const uint8_t *bytes, uint64_t length,
                         const char *path, const image_options *o, pb_error *error)
{
    for (uint32_t i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr p = read_segment(header, bytes, i);

        if (!is_loaded(&p))
            continue;
        if (p.p_filesz > p.p_memsz)
            return pb_fail(error, "%s: segment %u has %llu bytes, and memory for %llu", path, i,
                           image_ull(p.p_filesz), image_ull(p.p_memsz));
        if (p.p_offset > length || p.p_filesz > length - p.p_offset)
            return pb_fail(error, "%s: segment %u lies outside the file: truncated?", path, i);
        if (!image_add(im, &(image_segment){ p.p_paddr, bytes + p.p_offset, p.p_filesz, p.p_memsz },
                       path, o, error))
            return false;
    }
    return im->n_segments || pb_fail(error, "%s has nothing to load", path);
}

/* Where the entry point is in physical memory. */
static bool find_entry(image *im, const Elf64_Ehdr *header, const uint8_t *bytes, const char *path,
                       pb_error *error)
{
    uint64_t entry = header->e_entry;
    bool found = false;

    im->entry = entry;
    for (uint32_t i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr p = read_segment(header, bytes, i);

        if (!is_loaded(&p))
            continue;
        if (entry >= p.p_vaddr && entry - p.p_vaddr < p.p_memsz) {
            im->entry = p.p_paddr + (entry - p.p_vaddr);
            found = true;
            break;
        }
        found |= entry >= p.p_paddr && entry - p.p_paddr < p.p_memsz;
    }
    if (!found)
        return pb_fail(error, "%s: the entry point %#llx lies in no segment that is loaded", path,
                       image_ull(entry));
    return im->entry % 4 == 0 || pb_fail(error, "%s: the entry point %#llx is not a multiple of 4",
                                         path, image_ull(im->entry));
}

bool image_examine_elf(image *im, const uint8_t *bytes, uint64_t length, const char *path,
                       const image_options *o, pb_error *error)
{
    Elf64_Ehdr header;

    return read_header(&header, bytes, length, path, error) &&
           add_segments(im, &header, bytes, length, path, o, error) &&
           find_entry(im, &header, bytes, path, error);
}
