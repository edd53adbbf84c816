/* A TensorFlow Lite Micro model in front of the learner: its output tensor becomes levels, nothing is rounded.
 *
 * Export the model with the tensor as an output (Keras: Model(inputs, layer.output)): inner tensors are overwritten.
 */
#include "el_levels.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

#ifndef EL_MODEL_OUTPUT
#define EL_MODEL_OUTPUT 0 /* which of the model's outputs */
#endif

static el_learner net;
static el_level levels[EL_INPUTS];

namespace {

/* The values of an output of EL_INPUTS integers with the zero point of the levels, or nothing. */
const el_value *values_of(const TfLiteTensor *tensor)
{
    const bool has_sign = static_cast<el_value>(-1) < 0;
    if (tensor == nullptr || tensor->type != (has_sign ? kTfLiteInt8 : kTfLiteUInt8) ||
        tensor->bytes != EL_INPUTS * sizeof(el_value) || tensor->params.zero_point != EL_ZERO_POINT) {
        return nullptr;
    }
    return reinterpret_cast<const el_value *>(tensor->data.raw);
}

} // namespace

/* Call once, before the first sample. */
extern "C" void el_start(void)
{
    el_init(&net);
}

/* Run the model on its present input and learn the sample as `label`, or only predict where label >= EL_CLASSES. Return the
 * class predicted before learning, -1 where the model fails or has another output. */
int el_sample(tflite::MicroInterpreter &model, uint16_t label)
{
    if (model.Invoke() != kTfLiteOk) {
        return -1;
    }
    const el_value *values = values_of(model.output(EL_MODEL_OUTPUT));
    if (values == nullptr) {
        return -1;
    }
    el_levels(levels, values);
    return el_learn(&net, levels, label);
}
