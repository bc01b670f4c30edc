"""What files are called: enough to tell a path from a word in a model's answer."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KNOWN_NAMES: Final = _words(
    "brewfile caddyfile codeowners containerfile dockerfile gemfile gnumakefile jenkinsfile justfile license makefile "
    "notice pipfile procfile rakefile tiltfile vagrantfile"
)
"""Names without a suffix, in lower case."""

KNOWN_SUFFIXES: Final = _words(
    "astro avsc bash bat bazel bib c cc cfg cjs clj cljs cmake cmd conf cpp cs csproj css csv cts cxx dart dockerfile "
    "edn elm env erb erl ex exs f90 fish fs fsx gd gemspec gitignore gleam go gql gradle graphql groovy h haml hbs hcl "
    "hpp hs htm html hxx ini ino ipynb j2 java jinja jl js json json5 jsonc jsonl jsx kt kts less lhs liquid lisp lock "
    "lua m md mdx mjs mk ml mli mm mod mts nim nix odin pas php pl plist pm podspec prisma properties proto ps1 psm1 "
    "pug py pyi pyx qml r rb re rego rkt rs rst s sass sbt scala scm scss sh sln sol sql sum styl sv svelte svg swift "
    "tcl tex textproto tf tfvars thrift tmpl toml tpl ts tsv tsx txt v vb vert vhdl vim vue wat wgsl xhtml xml xsd xsl "
    "yaml yml zig zsh"
)
"""What stands behind the last dot, in lower case."""

PRODUCTS: Final = _words(
    "alpine.js angular.js backbone.js chart.js d3.js day.js deno.js discord.js ember.js express.js gatsby.js "
    "knockout.js moment.js nest.js next.js node.js nuxt.js p5.js pdf.js react.js remix.js solid.js svelte.js three.js "
    "vue.js"
)
"""Headings that look like files and are none."""
