/* The anomaly detector: the arithmetic contract, section 12. Included by el_learner.c alone, where there is one. */
#ifndef EL_DETECTOR_H
#define EL_DETECTOR_H

#define EL_SCORE_MAX 0xFFFFFFFFUL
#define EL_QUANTILE_ONE 10000 /* parts of EL_QUANTILE */

/* floor(x / 2^s), 0 <= s <= 63 */
static inline int64_t shr_long(int64_t x, uint32_t s)
{
    return (x < 0) ? ~((~x) >> s) : (x >> s);
}

/* rn(x, s), s >= 0 */
static inline int64_t round_long(int64_t x, uint32_t s)
{
    return shr_long(x + (int64_t)(((uint64_t)1 << s) >> 1U), s);
}

#if EL_DEVIATIONS || (EL_FOLLOW > 0)
/* floor(x / divisor), bit by bit: small cores have no divider, and this is seldom needed. */
static uint64_t divided(uint64_t x, uint32_t divisor)
{
    uint64_t quotient = 0U;
    uint64_t rest = 0U;
    for (uint32_t bit = 64U; bit > 0U; bit--) {
        rest = (rest << 1U) | ((x >> (bit - 1U)) & 1U);
        quotient <<= 1U;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1U;
        }
    }
    return quotient;
}
#endif

static inline int64_t distance(int64_t x, int64_t y)
{
    return (x < y) ? (y - x) : (x - y);
}

static void start_detector(el_detector *detector)
{
    for (uint32_t i = 0U; i < EL_LEVELS; i++) {
        detector->level[i] = 0;
    }
    detector->smoothed = 0;
#if EL_KEPT > 0
    for (uint32_t i = 0U; i < EL_KEPT; i++) {
        detector->kept[i] = 0;
    }
#endif
    detector->rows = 0U;
    detector->alarms = 0U;
    detector->saturated = 0U;
    detector->n_kept = 0U;
}

static uint8_t phase_of(const el_detector *detector)
{
    if (detector->rows < (EL_TRAIN_ROWS + EL_THRESHOLD_ROWS)) {
#if EL_TRAIN_ROWS > 0
        return (detector->rows < EL_TRAIN_ROWS) ? EL_TRAIN : EL_THRESHOLD;
#else
        return EL_THRESHOLD;
#endif
    }
    return EL_DETECT;
}

static void set_limit(el_detector *detector)
{
#if EL_DEVIATIONS
    detector->level[EL_LIMIT] = detector->level[EL_MEAN] + round_long(detector->level[EL_DEVIATION] * EL_FACTOR, 4U);
#else
    detector->level[EL_LIMIT] = round_long(detector->level[EL_BASE] * EL_FACTOR, 12U);
#endif
}

/* Take a smoothed score of the phase EL_THRESHOLD; its last row sets the limit. */
static void collect(el_detector *detector)
{
    const uint32_t n = (uint32_t)(detector->rows - EL_TRAIN_ROWS) + 1U;
    const el_smoothed smoothed = detector->smoothed;
#if EL_DEVIATIONS
    detector->level[EL_SUM] += smoothed;
    detector->level[EL_SPREAD] += distance(smoothed, (int64_t)divided((uint64_t)detector->level[EL_SUM], n));
    if (n == EL_THRESHOLD_ROWS) {
        detector->level[EL_MEAN] = (int64_t)divided((uint64_t)detector->level[EL_SUM], n);
        detector->level[EL_DEVIATION] = (int64_t)divided((uint64_t)detector->level[EL_SPREAD], n);
        set_limit(detector);
    }
#else
    if ((detector->n_kept < EL_KEPT) || (smoothed > detector->kept[EL_KEPT - 1U])) {
        uint32_t place = (detector->n_kept < EL_KEPT) ? detector->n_kept : (EL_KEPT - 1U);
        for (; (place > 0U) && (detector->kept[place - 1U] < smoothed); place--) {
            detector->kept[place] = detector->kept[place - 1U];
        }
        detector->kept[place] = smoothed;
        detector->n_kept += (detector->n_kept < EL_KEPT) ? 1U : 0U;
    }
    if (n == EL_THRESHOLD_ROWS) {
        detector->level[EL_BASE] = (int64_t)detector->kept[detector->n_kept - 1U] * 256;
        set_limit(detector);
    }
#endif
}

#if EL_FOLLOW > 0
/* Move the threshold with the score of a row without alarm. */
static void follow(el_detector *detector)
{
    const int64_t smoothed = (int64_t)detector->smoothed;
#if EL_DEVIATIONS
    const int64_t mean = detector->level[EL_MEAN];
    const int64_t deviation = detector->level[EL_DEVIATION];
    detector->level[EL_DEVIATION] = deviation + round_long(distance(smoothed, mean) - deviation, EL_FOLLOW);
    detector->level[EL_MEAN] = mean + round_long(smoothed - mean, EL_FOLLOW);
#else
    const uint64_t step = (uint64_t)detector->level[EL_BASE] >> EL_FOLLOW;
    if ((smoothed * 256) > detector->level[EL_BASE]) {
        detector->level[EL_BASE] += (int64_t)divided(step * EL_QUANTILE, EL_QUANTILE_ONE);
    } else {
        detector->level[EL_BASE] -= (int64_t)divided(step * (EL_QUANTILE_ONE - EL_QUANTILE), EL_QUANTILE_ONE);
    }
#endif
    set_limit(detector);
}
#endif

/* The sum of errors, or of their squares, over the outputs. */
static uint32_t score_of_row(el_learner *net)
{
    uint64_t score = 0U;
    for (uint16_t c = 0U; c < EL_OUTPUTS; c++) {
        const int32_t e = (int32_t)net->output[c] - net->target[c];
#if EL_SQUARED
        score += (uint32_t)(e * e);
#else
        score += (uint32_t)((e < 0) ? -e : e);
#endif
    }
    if (score > EL_SCORE_MAX) {
        net->detector.saturated++;
        return (uint32_t)EL_SCORE_MAX;
    }
    return (uint32_t)score;
}

/* Take the score of a row; return whether it raises an alarm. */
static bool judge(el_learner *net)
{
    el_detector *detector = &net->detector;
    bool alarm = false;
    net->score = score_of_row(net);
    if (detector->rows == 0U) {
        detector->smoothed = (el_smoothed)((el_smoothed)net->score * 256);
    } else {
        const int64_t step = ((int64_t)net->score * 256) - (int64_t)detector->smoothed;
        detector->smoothed = (el_smoothed)(detector->smoothed + (el_smoothed)round_long(step, EL_SMOOTHING));
    }
    if (net->phase == EL_DETECT) {
        alarm = (int64_t)detector->smoothed > detector->level[EL_LIMIT];
        detector->alarms += alarm ? 1U : 0U;
#if EL_FOLLOW > 0
        if (!alarm) {
            follow(detector);
        }
#endif
    } else if (net->phase == EL_THRESHOLD) {
        collect(detector);
    } else {
        /* the scores of rows that train set nothing */
    }
    detector->rows += (detector->rows < 0xFFFFFFFFUL) ? 1U : 0U;
    return alarm;
}

/* Take one row whose targets are taken. */
static bool watch_targets(el_learner *net, const el_level *levels)
{
    bool learns;
    bool alarm;
    net->phase = phase_of(&net->detector);
    learns = (net->phase == EL_TRAIN) || ((net->phase == EL_DETECT) && (EL_LEARN_WHILE != EL_LEARN_NEVER));
    forward_hidden(net, levels, (uint16_t)(learns ? 0 : EL_CLASSES));
    forward_output(net, inputs_of(net, levels, EL_LAST));
    alarm = judge(net);
    if (learns && !(alarm && (EL_LEARN_WHILE == EL_LEARN_NORMAL))) {
        learn_from_error(net, levels, 0U);
        net->learned++;
    }
    return alarm;
}

#if EL_RECONSTRUCTS
bool el_watch(el_learner *net, const el_level *levels)
{
    take_levels(net, levels);
    return watch_targets(net, levels);
}
#else
bool el_watch(el_learner *net, const el_level *levels, const int16_t *targets)
{
    take_targets(net, targets);
    return watch_targets(net, levels);
}
#endif

#endif
