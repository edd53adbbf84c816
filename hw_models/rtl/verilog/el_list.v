// Pointers of the lists of one memory: a list for each layer, appended to and walked in order.
module el_list #(
    parameter LAYERS = 1,
    parameter KW = 1,
    parameter NW = 4,                      // bits of a place in a list, and of its length
    parameter AW = 4,                      // bits of an address
    parameter [AW*LAYERS-1:0] BASES = 0    // address of the first entry of each list
) (
    input               clk,
    input               rst,
    input               clear,
    input      [KW-1:0] clear_layer,
    input               append,
    input      [KW-1:0] append_layer,
    output reg [AW-1:0] append_addr,
    input      [KW-1:0] read_layer,
    input      [NW-1:0] read_place,
    output reg [AW-1:0] read_addr,
    output reg [NW-1:0] length             // of the list that is read
);
    reg [NW*LAYERS-1:0] lengths;
    integer n, m;

    always @(posedge clk)
        for (n = 0; n < LAYERS; n = n + 1)
            if (rst || (clear && clear_layer == n[KW-1:0])) lengths[NW*n +: NW] <= {NW{1'b0}};
            else if (append && append_layer == n[KW-1:0]) lengths[NW*n +: NW] <= lengths[NW*n +: NW] + {{(NW-1){1'b0}}, 1'b1};

    function [AW-1:0] address;
        input [NW-1:0] place;
        reg [AW+NW-1:0] wide;
        reg unused;
        begin
            wide = {{AW{1'b0}}, place};
            address = wide[AW-1:0];
            unused = &{1'b0, wide};
        end
    endfunction

    always @* begin
        append_addr = {AW{1'b0}};
        read_addr = {AW{1'b0}};
        length = {NW{1'b0}};
        for (m = 0; m < LAYERS; m = m + 1) begin
            if (append_layer == m[KW-1:0]) append_addr = BASES[AW*m +: AW] + address(lengths[NW*m +: NW]);
            if (read_layer == m[KW-1:0]) begin
                read_addr = BASES[AW*m +: AW] + address(read_place);
                length = lengths[NW*m +: NW];
            end
        end
    end
endmodule
