"""The build driver: what images there are, what goes into each, and the building and checking of them.

- `command`: the command line of images/build.py.
- `catalog`: the images as data.
- `plan`: which have to be built.
- `schedule`: builds that depend on each other, several at a time.
- `build`: one image, from its `context`, by the `engine`, as a long `process` that ends with its `owner`.
- `checks`, `udf_info`: what a fresh image has to do before it gets its name.
"""
