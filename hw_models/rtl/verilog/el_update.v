// The update of one stored word (contract, section 5), and nothing else: W = sat(W + v, lo, hi).
module el_update #(
    parameter PW = 24,                    // bits of the negated product -x d
    parameter LEFT = 0,
    parameter SB = 16,                    // bits of a stored word, b + r
    parameter LAYERS = 1,
    parameter KW = 1,
    parameter [8*LAYERS-1:0] SHIFTS = 0,  // k of each layer; 8 less where steps have 8 fraction bits
    parameter STOCHASTIC = 0,
    parameter DYNAMIC = 0
) (
    input  signed [PW-1:0] minus,         // -x d
    input         [KW-1:0] layer,
    input         [4:0]    halvings,
    input  signed [SB-1:0] word,
    input                  non_negative,  // whether lo = 0
    /* verilator lint_off UNUSED */
    input         [7:0]    rand8,
    /* verilator lint_on UNUSED */
    output signed [SB-1:0] next,
    output                 saturated,     // the sum left [lo, hi]
    output                 step_cut       // the step left [-S, S]
);
    localparam FRACTION = STOCHASTIC != 0 ? 8 : 0;
    localparam CAP = 30 - FRACTION;
    localparam VB = SB + FRACTION;        // bits of a step with its fraction
    localparam RW = PW + LEFT + 1;
    localparam CW = (RW > VB ? RW : VB) + 1;
    localparam signed [SB-1:0] S = {1'b0, {(SB-1){1'b1}}};

    wire signed [RW-1:0] rounded;
    el_round #(.W(PW), .LEFT(LEFT), .LAYERS(LAYERS), .KW(KW), .SHIFTS(SHIFTS), .DYNAMIC(DYNAMIC), .CAP(CAP))
        round (.value(minus), .layer(layer), .more(halvings), .rounded(rounded));

    wire signed [VB-1:0] whole;
    el_extend #(.W(SB), .OW(VB)) extend_whole (.value(S), .out(whole));
    wire signed [VB-1:0] high = whole <<< FRACTION;
    wire signed [VB-1:0] low = -high;
    wire signed [CW-1:0] wide;
    el_extend #(.W(RW), .OW(CW)) extend_wide (.value(rounded), .out(wide));
    wire signed [VB-1:0] step;
    el_sat #(.W(CW), .OW(VB)) limit (.value(wide), .lo(low), .hi(high), .limited(step), .cut(step_cut));

    wire signed [SB:0] v;
    generate
        if (STOCHASTIC != 0) begin : drawn
            wire signed [SB-1:0] vi = step[VB-1:FRACTION];
            wire signed [SB:0] vi_wide;
            el_extend #(.W(SB), .OW(SB+1)) extend_vi_wide (.value(vi), .out(vi_wide));
            wire signed [SB:0] up = {{SB{1'b0}}, rand8 < step[7:0]};
            assign v = vi_wide + up;
        end else begin : nearest
            wire signed [SB:0] v_wide;
            el_extend #(.W(VB), .OW(SB+1)) extend_v_wide (.value(step), .out(v_wide));
            assign v = v_wide;
        end
    endgenerate

    wire signed [SB+1:0] old_wide;
    el_extend #(.W(SB), .OW(SB+1+1)) extend_old_wide (.value(word), .out(old_wide));
    wire signed [SB+1:0] v_long;
    el_extend #(.W(SB+1), .OW(SB+1+1)) extend_v_long (.value(v), .out(v_long));
    wire signed [SB+1:0] sum = old_wide + v_long;
    wire signed [SB-1:0] lo = non_negative ? {SB{1'b0}} : {1'b1, {(SB-1){1'b0}}};
    el_sat #(.W(SB+2), .OW(SB)) store (.value(sum), .lo(lo), .hi(S), .limited(next), .cut(saturated));
endmodule
