"""Vectors of eight doubles inside numba functions.

numba leaves loops over arrays unvectorised when it cannot exclude aliasing, so the evaluator says
itself what happens in parallel: `V` is LLVM's <8 x double>, which becomes one AVX-512 register, two
AVX2 registers or four SSE2 or NEON registers. Index `i` in `load` and `store` counts vectors: array
elements 8 i ... 8 i + 7 of a contiguous float64 array. Multiplications and additions may be fused.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

LANES = 8
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_I32 = ir.IntType(32)


class _V(types.Type):
    def __init__(self):
        super().__init__(name="float64x8")


V = _V()


@register_model(_V)
class _VModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _VECTOR)


def _pointer(context, builder, array_type, array, index, lanes):
    """Address of element `lanes * index` as a pointer to a vector of `lanes` doubles."""
    data = context.make_array(array_type)(context, builder, array).data
    offset = builder.mul(index, ir.Constant(index.type, lanes))
    return builder.bitcast(builder.gep(data, [offset]), ir.VectorType(_DOUBLE, lanes).as_pointer())


@intrinsic
def load(typingctx, array, index):
    """V of elements 8 index ... 8 index + 7."""

    def codegen(context, builder, signature, args):
        return builder.load(_pointer(context, builder, signature.args[0], args[0], args[1], LANES), align=8)

    return V(array, types.intp), codegen


@intrinsic
def load_from(typingctx, array, start):
    """V of elements start ... start + 7."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.bitcast(builder.gep(data, [args[1]]), _VECTOR.as_pointer()), align=8)

    return V(array, types.intp), codegen


@intrinsic
def gather(typingctx, array, starts, offset):
    """V of one element per lane: array[starts[k] + offset], `starts` being eight int64."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        places = context.make_array(signature.args[1])(context, builder, args[1]).data
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for k in range(LANES):
            place = builder.load(builder.gep(places, [ir.Constant(_I32, k)]))
            value = builder.load(builder.gep(data, [builder.add(place, args[2])]))
            vector = builder.insert_element(vector, value, ir.Constant(_I32, k))
        return vector

    return V(array, starts, types.intp), codegen


@intrinsic
def gather_component(typingctx, array, indices, start, component):
    """V of array[3 indices[start + k] + component]: one component of eight vectors in space."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        places = context.make_array(signature.args[1])(context, builder, args[1]).data
        vector = ir.Constant(_VECTOR, ir.Undefined)
        for k in range(LANES):
            place = builder.load(builder.gep(places, [builder.add(args[2], ir.Constant(args[2].type, k))]))
            if place.type != args[2].type:
                place = builder.sext(place, args[2].type)
            place = builder.add(builder.mul(place, ir.Constant(place.type, 3)), args[3])
            value = builder.load(builder.gep(data, [place]))
            vector = builder.insert_element(vector, value, ir.Constant(_I32, k))
        return vector

    return V(array, indices, types.intp, types.intp), codegen


@intrinsic
def peek(typingctx, array, index):
    """Element `index` >= 0 of the flat array, without numba's care for negative indices and strides."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.intp), codegen


@intrinsic
def poke(typingctx, array, index, value):
    """Write element `index` >= 0 of the flat array."""

    def codegen(context, builder, signature, args):
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        builder.store(args[2], builder.gep(data, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen


@intrinsic
def store(typingctx, array, index, value):
    """Write V to elements 8 index ... 8 index + 7."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _pointer(context, builder, signature.args[0], args[0], args[1], LANES), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, V), codegen


def _splat_value(builder, scalar, lanes=LANES):
    vector = ir.VectorType(_DOUBLE, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_I32, 0))
    mask = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


@intrinsic
def splat(typingctx, scalar):
    """V with the same number in each lane."""

    def codegen(context, builder, signature, args):
        return _splat_value(builder, args[0])

    return V(types.float64), codegen


def _binary(name):
    @intrinsic
    def operation(typingctx, a, b):
        def codegen(context, builder, signature, args):
            return getattr(builder, name)(args[0], args[1], flags=("contract",))

        return V(V, V), codegen

    return operation


_add, _sub, _mul, _div = _binary("fadd"), _binary("fsub"), _binary("fmul"), _binary("fdiv")


def _operator(python_operator, intrinsic_function):
    @overload(python_operator, inline="always")
    def implementation(a, b):
        if a is V and b is V:
            return lambda a, b: intrinsic_function(a, b)
        if a is V and isinstance(b, types.Number):
            return lambda a, b: intrinsic_function(a, splat(b))
        if b is V and isinstance(a, types.Number):
            return lambda a, b: intrinsic_function(splat(a), b)
        return None


for _python, _function in (
    (operator.add, _add),
    (operator.sub, _sub),
    (operator.mul, _mul),
    (operator.truediv, _div),
):
    _operator(_python, _function)


def _call(builder, name, args):
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v8f64"), args)


@intrinsic
def sqrt(typingctx, a):
    """Square root of each lane."""
    return V(V), lambda context, builder, signature, args: _call(builder, "sqrt", args)


@intrinsic
def floor(typingctx, a):
    """Largest whole number not above each lane."""
    return V(V), lambda context, builder, signature, args: _call(builder, "floor", args)


@intrinsic
def minimum(typingctx, a, b):
    """Smaller one of each pair of lanes."""
    return V(V, V), lambda context, builder, signature, args: _call(builder, "minnum", args)


@intrinsic
def square(typingctx, x, y, z):
    """x x + y y + z z of each lane, rounded as Python does: the same as for numbers, to the last bit."""

    def codegen(context, builder, signature, args):
        x, y, z = (builder.fmul(a, a) for a in args)
        return builder.fadd(builder.fadd(x, y), z)

    return V(V, V, V), codegen


@intrinsic
def where_less(typingctx, a, b, x, y):
    """Lanes of `x` where a < b, of `y` elsewhere."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return V(V, V, V, V), codegen


@intrinsic
def store_integers(typingctx, array, index, value):
    """Write the lanes, whole numbers, to elements 8 index ... 8 index + 7 of an int64 array."""

    def codegen(context, builder, signature, args):
        integers = ir.VectorType(ir.IntType(64), LANES)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        offset = builder.mul(args[1], ir.Constant(args[1].type, LANES))
        pointer = builder.bitcast(builder.gep(data, [offset]), integers.as_pointer())
        builder.store(builder.fptosi(args[2], integers), pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, V), codegen


@intrinsic
def lane(typingctx, a, index):
    """One lane as float64; `index` may be a variable."""

    def codegen(context, builder, signature, args):
        return builder.extract_element(args[0], builder.trunc(args[1], _I32))

    return types.float64(V, types.intp), codegen


@intrinsic
def total(typingctx, a):
    """Sum of the lanes."""

    def codegen(context, builder, signature, args):
        lanes = [builder.extract_element(args[0], ir.Constant(_I32, k)) for k in range(LANES)]
        while len(lanes) > 1:
            lanes = [builder.fadd(lanes[k], lanes[k + 1]) for k in range(0, len(lanes), 2)]
        return lanes[0]

    return types.float64(V), codegen


def _shuffle(builder, a, b, indices):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, LANES), indices))


def _transposed(builder, rows):
    """Eight vectors as the columns of the matrix whose rows they are: three rounds of shuffles."""
    for width in (1, 2, 4):
        low = [k if k & width == 0 else LANES + (k ^ width) for k in range(LANES)]
        high = [k ^ width if k & width == 0 else LANES + k for k in range(LANES)]
        new = list(rows)
        for i in range(LANES):
            if i & width == 0:
                j = i | width
                new[i] = _shuffle(builder, rows[i], rows[j], low)
                new[j] = _shuffle(builder, rows[i], rows[j], high)
        rows = new
    return rows


@intrinsic
def transpose(typingctx, a0, a1, a2, a3, a4, a5, a6, a7):
    """Transpose eight V: entry k of the tuple holds lane k of each argument."""

    def codegen(context, builder, signature, args):
        return context.make_tuple(builder, signature.return_type, _transposed(builder, list(args)))

    return types.UniTuple(V, LANES)(*[V] * LANES), codegen
