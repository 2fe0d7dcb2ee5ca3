# SPDX-License-Identifier: GPL-2.0
"""Walkers of page tables: each kind is found, by its name, and the list has to be true of the tree."""

from .common import Scratch

from lib.walkers import found, functions, listed, verdict

WALK = """\
/* p4d_offset_lockless() in a comment, and "in a string" */
static int on_the_way(pgd_t *pgdp, pgd_t pgd,
\t\t      unsigned long addr)
{
\tp4d_t *p4dp = p4d_offset_lockless(pgdp, pgd, addr);

\treturn p4dp != NULL;
}

int walk(struct mm_struct *mm, unsigned long addr)
{
\tunsigned long flags;

\tlocal_irq_save(flags);
\tbegin_lockless_pgtbl_walk(mm);
\ton_the_way(pgd_offset(mm, addr), addr);
\tlocal_irq_restore(flags);
\treturn 0;
}
"""
LIST = """\
Title
=====

.. list-table:: Something else

   * - ``mm/other.c``
     - ``other()``
     - none

.. list-table:: Walkers
   :header-rows: 1

   * - File
     - Function
     - Answer
   * - ``mm/walk.c``
     - ``on_the_way()``,
       ``walk()``
     - publishes in
       ``walk()``: always

Not part of it: * - ``mm/other.c``
"""


class Functions(Scratch):
    """The functions of a file."""

    def names(self, text, suffix=".c"):
        """Their names and lines."""
        return [(function.name, function.line) for function in functions.functions(text, suffix)]

    def test_c(self):
        self.assertEqual(self.names(WALK), [("on_the_way", 4), ("walk", 11)])
        self.assertEqual(self.names("int __must_check __f(int a)\n__acquires(x)\n{\n}\n"), [("__f", 3)])
        self.assertEqual(self.names("bool test_age(void)\n\n{\n}\n"), [("test_age", 3)])
        self.assertEqual(self.names("static inline int f(int a) { return a; }\nint g(void)\n{\n}\n"), [("f", 1), ("g", 3)])
        self.assertEqual(self.names("static int f(int a) {\n\treturn a;\n}\n"), [("f", 1)])
        self.assertEqual(self.names("static int f(int (*g)(int), int b)\n{\n}\n"), [("f", 2)])
        self.assertEqual(self.names("SYSCALL_DEFINE1(mine, int, a)\n{\n}\n"), [("mine", 2)])
        self.assertEqual(self.names("#define get(x) \\\n\tpte_offset_map(x)\nint x;\n"), [("get", 1)])
        self.assertEqual(self.names("struct s {\n\tint (*f)(int);\n};\nint f(int);\nint a[] = {\n\tf(1),\n};\n"), [])

    def test_rust(self):
        text = "impl X {\n    fn a(&self) -> u8 {\n        1\n    }\n\n    pub(crate) unsafe fn b(\n    ) {\n    }\n}\n"
        self.assertEqual(self.names(text, ".rs"), [("a", 2), ("b", 6)])
        self.assertEqual(self.names("trait T {\n    fn a();\n    fn b() {}\n}\n", ".rs"), [("a", 2), ("b", 3)])


class Found(Scratch):
    """What of a tree is a walker."""

    def setUp(self):
        super().setUp()
        self.tree = self.kernel_tree()

    def found(self, text, name="mm/walk.c"):
        """The names of the walkers in one file, and by what they are known."""
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return {walker.name: walker.why for walker in found.walkers(self.tree) if walker.path == name}

    def body(self, *calls):
        """A function that makes these calls."""
        return "void f(void)\n{\n" + "".join(f"\t{call};\n" for call in calls) + "}\n"

    def test_both_of_a_walk(self):
        self.assertEqual(self.found(WALK), {"on_the_way": "goes down by p4d_offset_lockless()",
                                            "walk": "publishes a walk by begin_lockless_pgtbl_walk()"})

    def test_helpers(self):
        for call in ("pud_offset_lockless(a, b, c)", "__find_linux_pte(a, b)", "find_linux_pte(a, b)",
                     "find_current_mm_pte(a, b)", "find_kvm_host_pte(a, b)", "lookup_address_in_pgd(a, b, c)",
                     "x = pmdp_get_lockless(a)", "x = ptep_get_lockless(a)"):
            self.assertEqual(list(self.found(self.body(call))), ["f"], call)

    def test_interrupts_off(self):
        steps = ("p = pud_offset(p4d, addr)", "pte = pte_offset_map(pmd, addr)")
        for off in ("local_irq_save(flags)", "local_irq_disable()", "raw_local_irq_save(flags)", "guard(irqsave)()",
                    "hard_irq_disable()", "lockdep_assert_irqs_disabled()"):
            self.assertEqual(list(self.found(self.body(off, *steps))), ["f"], off)
        self.assertEqual(self.found(self.body(*steps)), {}, "locks are what it may rely on")
        self.assertEqual(self.found(self.body("local_irq_save(flags)")), {})

    def test_interrupts_off_in_the_caller(self):
        text = ("static void down(pud_t *pud)\n{\n\tpmd_offset(pud, 0);\n}\n"
                "static void between(void)\n{\n\tdown(p);\n}\n"
                "void f(void)\n{\n\tlocal_irq_disable();\n\tbetween();\n}\n")
        self.assertEqual(self.found(text), {"down": "goes down by pmd_offset() with interrupts off"})

    def test_rust(self):
        text = "// page tables\nimpl T {\n    fn section(&self) {\n        unsafe { bindings::local_irq_save() };\n    }\n}\n"
        self.assertEqual(list(self.found(text, "mm/fast_gup/src/tables.rs")), ["section"])
        other = text.replace("page tables", "bindings::local_irq_save()")
        self.assertEqual(self.found(other, "mm/fast_gup/src/tables.rs"), {}, "nothing of tables is there")

    def test_places(self):
        call = self.body("__find_linux_pte(a, b)")
        self.assertEqual(list(self.found(call, "arch/powerpc/mm/x.c")), ["f"])
        self.assertEqual(list(self.found(call, "drivers/x/y.h")), ["f"])
        self.assertEqual(self.found(call, "arch/s390/mm/x.c"), {}, "we build no kernel of it")

    def test_definitions_are_no_uses(self):
        self.assertEqual(self.found("extern pte_t *__find_linux_pte(pgd_t *pgdir,\n\t\t\tbool *is_thp);\n"), {})
        self.assertEqual(self.found("#define pud_offset_lockless(a, b, c) pud_offset(&(b), c)\n"), {})


class Verdict(Scratch):
    """A tree and the list."""

    def problems(self, text=WALK, table=LIST):
        """What is wrong with a tree of one walk."""
        tree = self.top / "linux"
        (tree / "mm").mkdir(parents=True, exist_ok=True)
        (tree / "mm/walk.c").write_text(text)
        document = self.top / "list.rst"
        document.write_text(table)
        return verdict.problems(tree, found.walkers(tree), listed.read(document), "list.rst")

    def test_right(self):
        self.assertEqual(self.problems(), [])

    def test_new_walker(self):
        new = WALK + "void new(void)\n{\n\tlocal_irq_disable();\n\tpmd_offset(pud, addr);\n}\n"
        wrong = self.problems(new)
        self.assertEqual(len(wrong), 1, wrong)
        self.assertRegex(wrong[0], r"^mm/walk.c:21: new\(\) goes down by pmd_offset\(\) with interrupts off: add it to")

    def test_publication_taken_out(self):
        wrong = self.problems(WALK.replace("\tbegin_lockless_pgtbl_walk(mm);\n", "\tp4d_offset(pgd, addr);\n"))
        self.assertEqual(len(wrong), 2, wrong)
        self.assertIn("on_the_way() is said to be published by walk() of mm/walk.c, which does not call", wrong[0])

    def test_why_has_a_column(self):
        table = LIST.replace("     - publishes in\n       ``walk()``: always", "     - publishes\n     - in ``walk()``; not in ``other()``")
        self.assertEqual(self.problems(table=table), [])
        self.assertEqual(self.problems(table=table.replace("in ``walk()``; not", "not")),
                         ["list.rst:16: on_the_way() is said to be published by on_the_way() of mm/walk.c, which does not "
                          "call begin_lockless_pgtbl_walk()"])

    def test_published_elsewhere(self):
        table = LIST.replace("``walk()``: always", "``caller()`` of ``mm/caller.c``")
        self.assertIn("caller() of mm/caller.c", self.problems(table=table)[0])
        (self.top / "linux/mm/caller.c").write_text("void caller(void)\n{\n\tbegin_lockless_pgtbl_walk(mm);\n}\n")
        self.assertEqual(self.problems(table=table), ["mm/caller.c:2: caller() publishes a walk by begin_lockless_pgtbl_walk(): "
                                                      + verdict.HINT.format(document="list.rst")])

    def test_stale(self):
        gone = WALK.replace("p4d_offset_lockless", "something")
        self.assertEqual(self.problems(gone), ["list.rst:16: mm/walk.c has no walker on_the_way() any more: take it out"])
        wrong = self.problems(table=LIST.replace("mm/walk.c", "mm/moved.c"))
        self.assertTrue(any("there is no mm/moved.c" in line for line in wrong), wrong)

    def test_answers(self):
        self.assertEqual(self.problems(table=LIST.replace("publishes in", "none: for")), [])
        self.assertIn("an answer begins with", self.problems(table=LIST.replace("publishes in", "see"))[0])

    def test_no_table(self):
        for table in ("Title\n=====\n", LIST.replace("- Answer", "- Reply")):
            self.assertEqual(self.problems(table=table), ["list.rst: there is no list-table of File, Function, Answer"])
